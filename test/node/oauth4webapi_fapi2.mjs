// npm's oauth4webapi by the FAPI 2.0 Security Profile, its tokens bound by DPoP
// and by certificate, and by FAPI 2.0 Message Signing: signed requests, answers
// and introspection (RFC 9701). Nothing is left to a higher layer's defaults.
import * as oauth from 'oauth4webapi'
import * as jose from 'jose'
import * as undici from 'undici'
import assert from 'node:assert/strict'
import { X509Certificate, createHash } from 'node:crypto'
import { settings, open, register, callback, done } from './talk.mjs'

const { issuer, secret, resource, api, mtls, signed, other } = settings
const insecure = { [oauth.allowInsecureRequests]: true } // http on loopback
const scope = 'openid email offline_access orgs:read'

const at = new URL(issuer)
const as = await oauth.processDiscoveryResponse(at, await oauth.discoveryRequest(at, { ...insecure, algorithm: 'oauth2' }))
assert.deepEqual(as.code_challenge_methods_supported, ['S256'])
assert.equal(as.authorization_response_iss_parameter_supported, true)

/** One app: what it is, how it proves itself, what it does with each request. */
async function app(id, metadata, { auth, DPoP, pair, sign } = {}) {
  await register(id, { profile: 'fapi2', ...metadata })
  const local = { client_id: id, ...metadata, ...(pair && { use_mtls_endpoint_aliases: true }) }
  const dispatcher = pair && new undici.Agent({ connect: pair })
  const options = {
    ...insecure,
    ...(DPoP && { DPoP: oauth.DPoP(local, DPoP) }),
    ...(pair && { [oauth.customFetch]: (url, o) => undici.fetch(url, { ...o, dispatcher }) }),
  }
  return { client: local, auth, options, sign }
}

/** Pushes a request and returns the address that the browser opens. */
async function push({ client, auth, options, sign }, parameters) {
  let sent = new URLSearchParams({ redirect_uri: callback, response_type: 'code', scope, code_challenge_method: 'S256', ...parameters })
  if (sign) {
    sent = new URLSearchParams({ request: await oauth.issueRequestObject(as, client, sent, sign) })
  }
  const response = await oauth.pushedAuthorizationRequest(as, client, auth, sent, options)
  const pushed = await oauth.processPushedAuthorizationResponse(as, client, response)
  assert(pushed.expires_in < 600) // FAPI 2.0 Security Profile §5.3.2.2
  const address = new URL(as.authorization_endpoint)
  address.search = new URLSearchParams({ client_id: client.client_id, request_uri: pushed.request_uri })
  return address
}

async function signIn(one, { parameters, validate = oauth.validateAuthResponse } = {}) {
  const { client, auth, options } = one
  const verifier = oauth.generateRandomCodeVerifier()
  const state = oauth.generateRandomState()
  const nonce = oauth.generateRandomNonce()
  const address = await push(one, { state, nonce, code_challenge: await oauth.calculatePKCECodeChallenge(verifier), ...parameters })
  const answer = await validate(as, client, await open(address), state, insecure)
  const redeem = async () => {
    const response = await oauth.authorizationCodeGrantRequest(as, client, auth, answer, callback, verifier, options)
    return [response, await oauth.processAuthorizationCodeResponse(as, client, response, { expectedNonce: nonce, requireIdToken: true })]
  }
  const [response, tokens] = await redeem()
  await oauth.validateApplicationLevelSignature(as, response, insecure)
  return { tokens, claims: oauth.getValidatedIdTokenClaims(tokens), again: redeem, address }
}

async function refresh({ client, auth, options }, token) {
  return oauth.processRefreshTokenResponse(as, client, await oauth.refreshTokenGrantRequest(as, client, auth, token, options))
}

async function userinfo({ client, options }, token, subject) {
  const response = await oauth.userInfoRequest(as, client, token, options)
  const claims = await oauth.processUserInfoResponse(as, client, subject, response)
  if (client.userinfo_signed_response_alg) await oauth.validateApplicationLevelSignature(as, response, insecure)
  return claims
}

async function introspect({ client, auth, options }, token, wanted = {}) {
  const response = await oauth.introspectionRequest(as, client, auth, token, { ...options, ...wanted })
  const answer = await oauth.processIntrospectionResponse(as, client, response)
  const kind = oauth.getContentType(response)
  if (kind === 'application/token-introspection+jwt') await oauth.validateApplicationLevelSignature(as, response, insecure)
  return { answer, kind }
}

async function ask({ options }, token, address) {
  return (await oauth.protectedResourceRequest(token, 'GET', new URL(address), undefined, null, options)).json()
}

/** A key of an app, and its registration. */
async function signing(alg, kid) {
  const { publicKey, privateKey } = await oauth.generateKeyPair(alg, { extractable: true })
  return { key: { key: privateKey, kid }, jwks: { keys: [{ ...(await jose.exportJWK(publicKey)), kid, alg }] } }
}

/** FAPI 2.0 Security Profile, private_key_jwt and DPoP. */
async function byDPoP(alg) {
  const { key, jwks } = await signing(alg, 'k1')
  const DPoP = await oauth.generateKeyPair('ES256', { extractable: true })
  const metadata = { token_endpoint_auth_method: 'private_key_jwt', jwks, id_token_signed_response_alg: alg, dpop_bound_access_tokens: true }
  const one = await app('fapi-dpop-' + alg, metadata, { auth: oauth.PrivateKeyJwt(key), DPoP })
  const { tokens, claims, again, address } = await signIn(one)
  assert.deepEqual([tokens.token_type, tokens.scope], ['dpop', scope])
  const jkt = await jose.calculateJwkThumbprint(await jose.exportJWK(DPoP.publicKey))
  assert.equal((await userinfo(one, tokens.access_token, claims.sub)).email, 'ada@example.com')
  assert.equal((await ask(one, tokens.access_token, api)).Confirmation.KeyThumbprint, jkt)

  // The library as an API of its own: RFC 9068 and the DPoP proof.
  const [seen] = await Promise.all([new Promise((resolve, reject) => {
    const options = { ...one.options, [oauth.customFetch]: async (url, o) => {
      const judged = oauth.validateJwtAccessToken(as, new Request(url, o), resource, { ...insecure, requireDPoP: true })
      await judged.then(resolve, reject)
      return new Response()
    } }
    oauth.protectedResourceRequest(tokens.access_token, 'POST', new URL('https://api.example/a?b=c'), undefined, 'x', options).catch(reject)
  })])
  assert.deepEqual([seen.sub, seen.client_id, seen.cnf.jkt, seen.scope], [claims.sub, one.client.client_id, jkt, scope])

  // Refresh tokens don't rotate: §5.3.2.1.
  const fresh = await refresh(one, tokens.refresh_token)
  assert(fresh.refresh_token === undefined || fresh.refresh_token === tokens.refresh_token)
  assert.notEqual((await refresh(one, tokens.refresh_token)).access_token, fresh.access_token)
  assert.equal((await introspect(one, fresh.access_token)).answer.cnf.jkt, jkt)

  // The pushed request is used up, and so is the code, whose replay ends all.
  await assert.rejects(open(address), /request_uri/)
  await assert.rejects(again(), { error: 'invalid_grant' })
  assert.deepEqual((await introspect(one, fresh.access_token)).answer, { active: false })
  await assert.rejects(refresh(one, tokens.refresh_token), { error: 'invalid_grant' })

  // What the profile forbids.
  const plain = new URL(as.authorization_endpoint)
  plain.search = new URLSearchParams({ client_id: one.client.client_id, redirect_uri: callback, response_type: 'code', scope, state: 's', code_challenge_method: 'S256', code_challenge: 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM' })
  const refused = (parameters) => ({ name: 'AuthorizationResponseError', ...parameters })
  const unpushed = await open(plain)
  assert.throws(() => oauth.validateAuthResponse(as, one.client, unpushed, 's'), refused({ error: 'invalid_request' }))
  const unbound = { ...one, options: insecure }
  await assert.rejects(signIn(unbound), { error: 'invalid_dpop_proof' })
  await assert.rejects(push(one, { code_challenge: '' }), { error: 'invalid_request' })
  for (const modify of [
    (_, claims) => { claims.aud = as.token_endpoint },
    (_, claims) => { claims.aud = [as.issuer] },
    (_, claims) => { claims.exp = claims.iat - 120 },
    (header) => { header.kid = 'k2' },
    (header) => { header.alg = 'RS256' },
  ]) {
    const wrong = { ...one, auth: oauth.PrivateKeyJwt(key, { [oauth.modifyAssertion]: modify }) }
    await assert.rejects(push(wrong, { code_challenge: 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM' }), { error: 'invalid_client', status: 401 })
  }
  const denied = await open(await push(one, { code_challenge: 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM', state: 's', prompt: 'none' }), 'bob')
  assert.throws(() => oauth.validateAuthResponse(as, one.client, denied, 's'), refused({ error: 'login_required' }))
}

/** The same, bound to a certificate, which may prove the app as well. */
async function byCertificate(id, metadata, authentication) {
  const one = await app(id, { tls_client_certificate_bound_access_tokens: true, ...metadata }, { auth: authentication, pair: signed })
  const x5t = createHash('sha256').update(new X509Certificate(signed.cert).raw).digest('base64url')
  const { tokens, claims } = await signIn(one)
  assert.equal(tokens.token_type, 'bearer')
  assert.equal(jose.decodeProtectedHeader(tokens.id_token).alg, 'PS256') // what was left open is strong
  assert.deepEqual(jose.decodeJwt(tokens.access_token).cnf, { 'x5t#S256': x5t })
  assert.equal((await userinfo(one, tokens.access_token, claims.sub)).email, 'ada@example.com')
  assert.equal((await ask(one, tokens.access_token, mtls)).Confirmation.CertificateThumbprint, x5t)
  assert.equal((await introspect(one, tokens.access_token)).answer.cnf['x5t#S256'], x5t)
  const dispatcher = new undici.Agent({ connect: other })
  const stolen = { ...one, options: { ...insecure, [oauth.customFetch]: (url, o) => undici.fetch(url, { ...o, dispatcher }) } }
  await assert.rejects(userinfo(stolen, tokens.access_token, claims.sub), { status: 401 })
  await assert.rejects(ask(stolen, tokens.access_token, mtls), { status: 401 })
  if (authentication === tls) await assert.rejects(refresh(stolen, tokens.refresh_token), { error: 'invalid_client' })
  const fresh = await refresh(one, tokens.refresh_token)
  const revoked = await oauth.revocationRequest(as, one.client, one.auth, fresh.access_token, one.options)
  await oauth.processRevocationResponse(revoked)
  assert.deepEqual((await introspect(one, fresh.access_token)).answer, { active: false })
}

/** FAPI 2.0 Message Signing, all three parts. */
async function messages() {
  const { key, jwks } = await signing('ES256', 'k1')
  const DPoP = await oauth.generateKeyPair('PS256', { extractable: true })
  const metadata = {
    token_endpoint_auth_method: 'private_key_jwt', jwks, dpop_bound_access_tokens: true,
    id_token_signed_response_alg: 'ES256', require_signed_request_object: true, request_object_signing_alg: 'ES256',
    authorization_signed_response_alg: 'ES256', userinfo_signed_response_alg: 'PS256', introspection_signed_response_alg: 'ES256',
  }
  const one = await app('fapi-signs', metadata, { auth: oauth.PrivateKeyJwt(key), DPoP, sign: key })
  const { tokens, claims } = await signIn(one, { parameters: { response_mode: 'jwt' }, validate: oauth.validateJwtAuthResponse })
  assert.equal((await userinfo(one, tokens.access_token, claims.sub)).email, 'ada@example.com')
  const { answer, kind } = await introspect(one, tokens.access_token)
  assert.equal(kind, 'application/token-introspection+jwt')
  assert.deepEqual([answer.active, answer.sub, answer.client_id, answer.token_type], [true, claims.sub, 'fapi-signs', 'DPoP'])

  // RFC 9701: the API's own client gets it signed, or plain, as it asks.
  const asker = { client: { client_id: 'api' }, auth: oauth.ClientSecretBasic(secret), options: insecure }
  for (const requestJwtResponse of [true, false]) {
    const seen = await introspect(asker, tokens.access_token, { requestJwtResponse })
    assert.equal(seen.kind, requestJwtResponse ? 'application/token-introspection+jwt' : 'application/json')
    assert.deepEqual([seen.answer.active, seen.answer.scope, seen.answer.aud], [true, scope, [resource]])
  }
  const stranger = { client: { client_id: 'web' }, auth: oauth.ClientSecretBasic(secret), options: insecure }
  const nothing = await introspect(stranger, tokens.access_token, { requestJwtResponse: true })
  assert.deepEqual(nothing.answer, { active: false })

  // A signed error, and what isn't signed well enough.
  const refused = signIn(one, { parameters: { response_mode: 'jwt', prompt: 'none', max_age: '0' }, validate: oauth.validateJwtAuthResponse })
  await assert.rejects(refused, { error: 'login_required' })
  const object = { code_challenge: 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM' }
  await assert.rejects(push({ ...one, sign: undefined }, object), { error: 'invalid_request' })
  for (const modify of [
    (_, claims) => { delete claims.nbf },
    (_, claims) => { delete claims.exp },
    (_, claims) => { claims.nbf -= 3700 },
    (_, claims) => { claims.exp = claims.nbf + 3700 },
    (_, claims) => { claims.aud = as.token_endpoint },
    (_, claims) => { claims.iss = 'web' },
    (header) => { header.typ = 'dpop+jwt' },
  ]) {
    const sign = one.sign
    const parameters = new URLSearchParams({ redirect_uri: callback, response_type: 'code', scope, code_challenge_method: 'S256', ...object })
    const request = await oauth.issueRequestObject(as, one.client, parameters, sign, { [oauth.modifyAssertion]: modify })
    const response = await oauth.pushedAuthorizationRequest(as, one.client, one.auth, new URLSearchParams({ request }), one.options)
    await assert.rejects(oauth.processPushedAuthorizationResponse(as, one.client, response), { error: 'invalid_request_object' })
  }
}

await byDPoP('PS256')
await byDPoP('ES256')
const tls = oauth.TlsClientAuth()
await byCertificate('fapi-mtls', { token_endpoint_auth_method: 'tls_client_auth', tls_client_auth_san_dns: 'client.example' }, tls)
const { key, jwks } = await signing('ES256', 'k1')
await byCertificate('fapi-mtls-jwt', { token_endpoint_auth_method: 'private_key_jwt', jwks }, oauth.PrivateKeyJwt(key))
await messages()
done()
