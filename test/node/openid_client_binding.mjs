// npm's openid-client with tokens that are bound to a key or a certificate, at a
// server and an API that both want nonces of theirs, and with the grants beside
// the code flow: device, exchange, assertion, and registration by the app itself.
import * as client from 'openid-client'
import * as jose from 'jose'
import * as undici from 'undici'
import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import { X509Certificate, createHash } from 'node:crypto'
import { settings, open, approve, register, callback, done } from './talk.mjs'

const { issuer, secret, api, mtls, signed, own, other, voucher } = settings

async function configure(id, metadata, authentication, fetch) {
  return client.discovery(new URL(issuer), id, metadata, authentication, {
    execute: [client.allowInsecureRequests, client.enableNonRepudiationChecks],
    ...(fetch && { [client.customFetch]: fetch }),
  })
}

async function signIn(config, { build = client.buildAuthorizationUrl, parameters, DPoP } = {}) {
  const pkceCodeVerifier = client.randomPKCECodeVerifier()
  const expectedState = client.randomState()
  const start = await build(config, {
    redirect_uri: callback,
    scope: 'openid email offline_access orgs:read',
    code_challenge: await client.calculatePKCECodeChallenge(pkceCodeVerifier),
    code_challenge_method: 'S256',
    state: expectedState,
    ...parameters,
  }, DPoP && { DPoP })
  const answer = await open(start)
  return client.authorizationCodeGrant(config, answer, { pkceCodeVerifier, expectedState, idTokenExpected: true }, undefined, DPoP && { DPoP })
}

/** Asks the API who is calling. */
async function who(config, token, at = api, options) {
  const response = await client.fetchProtectedResource(config, token, new URL(at), 'GET', undefined, undefined, options)
  assert.equal(response.status, 200)
  return response.json()
}

/** A public app whose tokens are bound to its key; every request needs a nonce. */
async function dpop(alg) {
  const id = 'dpop-' + alg
  await register(id, { client_type: 'native', redirect_uris: ['com.example.app:/cb', callback], dpop_bound_access_tokens: true })
  const proofs = []
  const config = await configure(id, undefined, client.None(), async (url, options) => {
    const proof = new Headers(options.headers).get('dpop')
    const response = await fetch(url, options)
    if (proof) proofs.push({ ...jose.decodeJwt(proof), path: new URL(url).pathname, status: response.status })
    return response
  })
  const keys = await client.randomDPoPKeyPair(alg)
  const DPoP = client.getDPoPHandle(config, keys)
  const jkt = await jose.calculateJwkThumbprint(await jose.exportJWK(keys.publicKey))

  // The proof at /par binds the code as well: RFC 9449 §10.1.
  const tokens = await signIn(config, { build: client.buildAuthorizationUrlWithPAR, DPoP })
  assert.equal(tokens.token_type, 'dpop')
  assert.deepEqual(jose.decodeJwt(tokens.access_token).cnf, { jkt })
  const { sub } = tokens.claims()
  assert.equal((await client.fetchUserInfo(config, tokens.access_token, sub, { DPoP })).email, 'ada@example.com')
  const caller = await who(config, tokens.access_token, api, { DPoP })
  assert.deepEqual([caller.Subject, caller.ClientID, caller.Confirmation.KeyThumbprint], [sub, id, jkt])
  const fresh = await client.refreshTokenGrant(config, tokens.refresh_token, undefined, { DPoP })
  assert.deepEqual(jose.decodeJwt(fresh.access_token).cnf, { jkt })
  await who(config, fresh.access_token, api, { DPoP })

  // The first proof had no nonce and was sent back; afterwards each had one.
  assert.deepEqual(proofs.filter((p) => !p.nonce).map((p) => [p.path, p.status]), [['/par', 400], ['/', 401]])
  assert.deepEqual(proofs.filter((p) => p.nonce).map((p) => [p.path, p.status]),
    [['/par', 201], ['/token', 200], ['/userinfo', 200], ['/', 200], ['/token', 200], ['/', 200]])

  // Neither a bearer nor another key gets anywhere with them.
  const stranger = client.getDPoPHandle(config, await client.randomDPoPKeyPair())
  await assert.rejects(client.fetchUserInfo(config, fresh.access_token, sub), { status: 401 })
  await assert.rejects(client.fetchUserInfo(config, fresh.access_token, sub, { DPoP: stranger }), { status: 401 })
  await assert.rejects(who(config, fresh.access_token), { status: 401 })
  await assert.rejects(who(config, fresh.access_token, api, { DPoP: stranger }), { status: 401 })
  await assert.rejects(client.refreshTokenGrant(config, fresh.refresh_token, undefined, { DPoP: stranger }), { error: 'invalid_grant' })
  await assert.rejects(client.refreshTokenGrant(config, fresh.refresh_token), { error: 'invalid_dpop_proof' })
  await client.refreshTokenGrant(config, fresh.refresh_token, undefined, { DPoP })

  // dpop_jkt binds the code without PAR: RFC 9449 §10.
  const parameters = { dpop_jkt: await DPoP.calculateThumbprint(), redirect_uri: callback }
  await assert.rejects(signIn(config, { parameters, DPoP: stranger }), { error: 'invalid_grant' })
  assert.equal((await signIn(config, { parameters, DPoP })).token_type, 'dpop')
}

/** fetch over connections that show a certificate. */
function showing(pair) {
  const dispatcher = new undici.Agent({ connect: pair })
  return (url, options) => undici.fetch(url, { ...options, dispatcher })
}

/** Both ways to authenticate by a certificate, and tokens bound to it. */
async function certificates(method, pair, registration) {
  const metadata = {
    token_endpoint_auth_method: method,
    tls_client_certificate_bound_access_tokens: true,
    ...registration,
  }
  await register(method, metadata)
  const local = { ...metadata, use_mtls_endpoint_aliases: true }
  const config = await configure(method, local, client.TlsClientAuth(), showing(pair))
  const tokens = await signIn(config, { build: client.buildAuthorizationUrlWithPAR })
  assert.equal(tokens.token_type, 'bearer')
  const x5t = createHash('sha256').update(new X509Certificate(pair.cert).raw).digest('base64url')
  assert.deepEqual(jose.decodeJwt(tokens.access_token).cnf, { 'x5t#S256': x5t })
  const { sub } = tokens.claims()
  assert.equal((await client.fetchUserInfo(config, tokens.access_token, sub)).email, 'ada@example.com')
  assert.equal((await who(config, tokens.access_token, mtls)).Confirmation.CertificateThumbprint, x5t)
  const fresh = await client.refreshTokenGrant(config, tokens.refresh_token)
  const seen = await client.tokenIntrospection(config, fresh.access_token)
  assert.deepEqual([seen.active, seen.cnf['x5t#S256']], [true, x5t])

  // Another certificate, of the same authority, or none is nobody.
  for (const wrong of [other, {}]) {
    const stranger = await configure(method, local, client.TlsClientAuth(), showing(wrong))
    await assert.rejects(client.refreshTokenGrant(stranger, fresh.refresh_token), { error: 'invalid_client' })
    await assert.rejects(client.fetchUserInfo(stranger, fresh.access_token, sub), { status: 401 })
    await assert.rejects(who(stranger, fresh.access_token, mtls), { status: 401 })
  }
  await client.tokenRevocation(config, fresh.refresh_token)
  assert.equal((await client.tokenIntrospection(config, fresh.access_token)).active, false)
}

/** A job without a person, by certificate and by DPoP. */
async function machine() {
  const metadata = { client_type: 'service', token_endpoint_auth_method: 'tls_client_auth', tls_client_auth_san_dns: 'job.example' }
  await register('job', { ...metadata, redirect_uris: [] })
  const config = await configure('job', { ...metadata, use_mtls_endpoint_aliases: true }, client.TlsClientAuth(), showing(signed))
  await assert.rejects(client.clientCredentialsGrant(config, { scope: 'orgs:read' }), { error: 'invalid_client' }) // no such name in it

  const service = await configure('service', undefined, client.ClientSecretBasic(secret))
  const DPoP = client.getDPoPHandle(service, await client.randomDPoPKeyPair())
  const tokens = await client.clientCredentialsGrant(service, { scope: 'orgs:read' }, { DPoP })
  assert.deepEqual([tokens.token_type, tokens.refresh_token], ['dpop', undefined])
  assert.equal((await who(service, tokens.access_token, api, { DPoP })).Subject, 'client:service')
}

/** A device without a browser; the person agrees elsewhere. */
async function device() {
  const kind = 'urn:ietf:params:oauth:grant-type:device_code'
  await register('television', { client_type: 'native', redirect_uris: [], grant_types: [kind, 'refresh_token'] })
  const config = await configure('television', undefined, client.None())
  const poll = ({ device_code }) => client.genericGrantRequest(config, kind, { device_code })

  const waits = await client.initiateDeviceAuthorization(config, { scope: 'openid' })
  assert.deepEqual([waits.interval, waits.expires_in], [5, 600])
  await assert.rejects(poll(waits), { error: 'authorization_pending' })
  await assert.rejects(poll(waits), { error: 'slow_down' })

  const begun = await client.initiateDeviceAuthorization(config, { scope: 'openid email offline_access orgs:read' })
  assert.match(begun.user_code, /^[A-Z]{4}-[A-Z]{4}$/)
  assert.match(await approve(begun.verification_uri_complete), /television is connected/)
  const tokens = await client.pollDeviceAuthorizationGrant(config, { ...begun, interval: 0.1 }) // answered: why wait
  const { sub } = tokens.claims()
  assert.equal((await client.fetchUserInfo(config, tokens.access_token, sub)).email, 'ada@example.com')
  assert.equal((await client.refreshTokenGrant(config, tokens.refresh_token)).claims().sub, sub)
}

/** An API that calls another for the same person: RFC 8693. */
async function exchange() {
  const kind = 'urn:ietf:params:oauth:grant-type:token-exchange'
  const type = 'urn:ietf:params:oauth:token-type:access_token'
  const web = await configure('web', undefined, client.ClientSecretBasic(secret))
  const tokens = await signIn(web)
  await register('gateway', {
    client_type: 'service', redirect_uris: [], grant_types: [kind],
    token_exchange: { clients: ['web'], resources: ['https://other.example'] },
  }, secret)
  const config = await configure('gateway', undefined, client.ClientSecretBasic(secret))
  const subject = { subject_token: tokens.access_token, subject_token_type: type }
  const traded = await client.genericGrantRequest(config, kind, { ...subject, resource: 'https://other.example', scope: 'orgs:read' })
  assert.deepEqual([traded.issued_token_type, traded.scope, traded.refresh_token], [type, 'orgs:read', undefined])
  const claims = jose.decodeJwt(traded.access_token)
  assert.deepEqual([claims.sub, claims.client_id, [claims.aud].flat()], [tokens.claims().sub, 'gateway', ['https://other.example']])
  assert.equal(claims.act.client_id, 'gateway')
  await assert.rejects(client.genericGrantRequest(config, kind, { ...subject, audience: 'https://api.example' }), { error: 'invalid_target' })
  await assert.rejects(client.genericGrantRequest(config, kind, { ...subject, subject_token: 'x' }), { error: 'invalid_request' })
  await assert.rejects(client.genericGrantRequest(web, kind, subject), { error: 'unauthorized_client' })
  await client.tokenRevocation(web, tokens.refresh_token)
  assert.equal((await client.tokenIntrospection(config, traded.access_token)).active, false)
}

/** An issuer that the operator trusts vouches for a person: RFC 7523 §2.1. */
async function assertion() {
  const kind = 'urn:ietf:params:oauth:grant-type:jwt-bearer'
  await register('vouched', { client_type: 'service', redirect_uris: [], grant_types: [kind] }, secret)
  const config = await configure('vouched', undefined, client.ClientSecretBasic(secret))
  const vouch = async (sub) => new jose.SignJWT().setProtectedHeader({ alg: 'ES256' }).setIssuer('https://idp.example').setSubject(sub)
    .setAudience(issuer).setJti(client.randomState()).setIssuedAt().setExpirationTime('1m').sign(await jose.importPKCS8(voucher.key, 'ES256'))
  const tokens = await client.genericGrantRequest(config, kind, { assertion: await vouch('ada'), scope: 'orgs:read' })
  const web = await configure('web', undefined, client.ClientSecretBasic(secret))
  assert.equal(jose.decodeJwt(tokens.access_token).sub, (await signIn(web)).claims().sub)
  await assert.rejects(client.genericGrantRequest(config, kind, { assertion: await vouch('nobody') }), { error: 'invalid_grant' })
}

/** The app registers itself, looks at its registration, changes and deletes it. */
async function registration() {
  const { publicKey, privateKey } = await jose.generateKeyPair('PS256')
  const keys = createServer(async (_, response) => {
    response.setHeader('content-type', 'application/jwk-set+json')
    response.end(JSON.stringify({ keys: [{ ...(await jose.exportJWK(publicKey)), kid: 'k1', alg: 'PS256' }] }))
  })
  await new Promise((listening) => keys.listen(0, '127.0.0.1', listening))
  const options = { execute: [client.allowInsecureRequests] }
  const byKey = await client.dynamicClientRegistration(new URL(issuer), {
    client_name: 'Registers Itself', redirect_uris: [callback], token_endpoint_auth_method: 'private_key_jwt',
    jwks_uri: `http://127.0.0.1:${keys.address().port}/jwks`, scope: 'openid email offline_access orgs:read audit',
  }, client.PrivateKeyJwt({ key: privateKey, kid: 'k1' }), options)
  assert.equal(byKey.clientMetadata().scope, 'openid email offline_access orgs:read') // audit is an operator's to give
  const tokens = await signIn(byKey, { build: client.buildAuthorizationUrlWithPAR })
  assert.equal((await client.tokenIntrospection(byKey, tokens.access_token)).active, true)
  keys.close()

  const bySecret = await client.dynamicClientRegistration(new URL(issuer), { redirect_uris: [callback] }, undefined, options)
  const { client_id, client_secret, registration_access_token, registration_client_uri } = bySecret.clientMetadata()
  assert.equal(bySecret.clientMetadata().client_secret_expires_at, 0)
  const fresh = await signIn(bySecret)
  const manage = (method, body) => client.fetchProtectedResource(bySecret, registration_access_token, new URL(registration_client_uri),
    method, body && JSON.stringify(body), new Headers(body && { 'content-type': 'application/json' }))
  const shown = await (await manage('GET')).json()
  assert.deepEqual([shown.client_id, shown.redirect_uris], [client_id, [callback]])
  const changed = await manage('PUT', { client_id, client_secret, client_name: 'New Name', redirect_uris: [callback + '2'] })
  assert.equal((await changed.json()).client_name, 'New Name')
  const moved = client.buildAuthorizationUrl(bySecret, { redirect_uri: callback, scope: 'openid' })
  await assert.rejects(open(moved), /redirect/)
  assert.equal((await manage('DELETE')).status, 204)
  await assert.rejects(manage('GET'), { status: 401 })
  await assert.rejects(client.refreshTokenGrant(bySecret, fresh.refresh_token), { error: 'invalid_client' })

  const bad = { redirect_uris: ['https://app.example/cb#fragment'] }
  await assert.rejects(client.dynamicClientRegistration(new URL(issuer), bad, undefined, options), { error: 'invalid_redirect_uri' })
}

for (const alg of ['ES256', 'PS256', 'RS256', 'Ed25519']) {
  await dpop(alg)
}
const certificate = new X509Certificate(own.cert)
const jwk = { ...certificate.publicKey.export({ format: 'jwk' }), x5c: [certificate.raw.toString('base64')] }
await certificates('tls_client_auth', signed, { tls_client_auth_subject_dn: 'CN=nightly\\, the job,O=Example,C=UK' })
await certificates('self_signed_tls_client_auth', own, { jwks: { keys: [jwk] } })
await machine()
await device()
await exchange()
await assertion()
await registration()
done()
