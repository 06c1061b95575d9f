// npm's openid-client and what may stand around the code flow: pushed and signed
// requests, signed answers of every kind, claims, hints, form_post, signing out.
// Every signature is verified against the server's keys.
import * as client from 'openid-client'
import * as jose from 'jose'
import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import { once } from 'node:events'
import { settings, open, read, register, callback, done } from './talk.mjs'

const { issuer, resource, secret } = settings
const bye = 'https://app.example/bye'
const keySet = jose.createRemoteJWKSet(new URL(issuer + '/jwks'))

async function configure(id, metadata, authentication, ...extensions) {
  return client.discovery(new URL(issuer), id, metadata, authentication, {
    execute: [client.allowInsecureRequests, client.enableNonRepudiationChecks, ...extensions],
  })
}

/** One sign-in; build makes the address that the browser opens. */
async function signIn(config, { parameters, build = client.buildAuthorizationUrl, checks } = {}) {
  const pkceCodeVerifier = client.randomPKCECodeVerifier()
  const expectedState = client.randomState()
  const expectedNonce = client.randomNonce()
  const address = await build(config, {
    redirect_uri: callback,
    scope: 'openid email offline_access orgs:read',
    code_challenge: await client.calculatePKCECodeChallenge(pkceCodeVerifier),
    code_challenge_method: 'S256',
    state: expectedState,
    nonce: expectedNonce,
    ...parameters,
  })
  const answer = await open(address)
  const tokens = await client.authorizationCodeGrant(config, answer, {
    pkceCodeVerifier, expectedState, expectedNonce, idTokenExpected: true, ...checks,
  })
  return { tokens, answer, address }
}

/** An app that signs all it sends, and gets all signed, by one algorithm. */
async function everythingSigned(alg) {
  const { publicKey, privateKey } = await jose.generateKeyPair(alg)
  const id = 'signs-' + alg
  const metadata = {
    token_endpoint_auth_method: 'private_key_jwt',
    token_endpoint_auth_signing_alg: alg,
    jwks: { keys: [{ ...(await jose.exportJWK(publicKey)), kid: 'k1', use: 'sig' }] },
    request_object_signing_alg: alg,
    require_signed_request_object: true,
    require_pushed_authorization_requests: true,
    id_token_signed_response_alg: alg,
    userinfo_signed_response_alg: alg,
    introspection_signed_response_alg: alg,
    authorization_signed_response_alg: alg,
  }
  const registered = await register(id, metadata)
  assert.equal(registered.client_secret, undefined)
  const signingKey = { key: privateKey, kid: 'k1' }
  const config = await configure(id, metadata, client.PrivateKeyJwt(signingKey), client.useJwtResponseMode)

  // The request as the app wants it is signed, then pushed: RFC 9126 §3.
  const pushed = async (config, parameters) => {
    const signed = await client.buildAuthorizationUrlWithJAR(config, parameters, signingKey)
    return client.buildAuthorizationUrlWithPAR(config, signed.searchParams)
  }
  const { tokens, answer, address } = await signIn(config, { build: pushed, checks: { maxAge: 600 }, parameters: { max_age: '600' } })
  assert.deepEqual([...address.searchParams.keys()].sort(), ['client_id', 'request_uri'])
  assert.deepEqual([...answer.searchParams.keys()], ['response'])
  for (const jwt of [answer.searchParams.get('response'), tokens.id_token]) {
    assert.equal(jose.decodeProtectedHeader(jwt).alg, alg)
  }
  const { sub, amr } = tokens.claims()
  assert.deepEqual(amr, ['pwd'])
  assert.equal(tokens.scope, 'openid email offline_access orgs:read')
  const { payload } = await jose.jwtVerify(tokens.access_token, keySet, { issuer, audience: resource, typ: 'at+jwt' })
  assert.deepEqual([payload.sub, payload.client_id], [sub, id])

  const info = await client.fetchUserInfo(config, tokens.access_token, sub)
  assert.deepEqual([info.email, info.iss, info.aud], ['ada@example.com', issuer, id])

  const fresh = await client.refreshTokenGrant(config, tokens.refresh_token)
  assert.notEqual(fresh.refresh_token, tokens.refresh_token)
  assert.equal(fresh.claims().sub, sub)

  const seen = await client.tokenIntrospection(config, fresh.access_token)
  assert.deepEqual([seen.active, seen.client_id, seen.sub, seen.aud], [true, id, sub, [resource]])
  await client.tokenRevocation(config, fresh.refresh_token)
  assert.deepEqual(await client.tokenIntrospection(config, fresh.access_token), { active: false })
  await assert.rejects(client.refreshTokenGrant(config, fresh.refresh_token), { error: 'invalid_grant' })

  // What was registered as necessary is: a plain request goes back as an error,
  // and a pushed one without signature isn't taken.
  await assert.rejects(signIn(config), { error: 'invalid_request' })
  await assert.rejects(client.buildAuthorizationUrlWithPAR(config, { redirect_uri: callback }), { error: 'invalid_request' })
}

/** The shared secret as a key. */
async function secretJWT() {
  const metadata = { token_endpoint_auth_method: 'client_secret_jwt' }
  const { client_secret } = await register('secret-jwt', metadata)
  assert(client_secret.length >= 32)
  const config = await configure('secret-jwt', { ...metadata, client_secret }, client.ClientSecretJwt(client_secret))
  const { tokens } = await signIn(config, { build: client.buildAuthorizationUrlWithPAR })
  assert.equal((await client.tokenIntrospection(config, tokens.access_token)).active, true)
  await client.tokenRevocation(config, tokens.access_token)
  assert.equal((await client.tokenIntrospection(config, tokens.access_token)).active, false)

  const wrong = await configure('secret-jwt', {}, client.ClientSecretJwt(client_secret.slice(1) + 'x'))
  await assert.rejects(client.refreshTokenGrant(wrong, tokens.refresh_token), { error: 'invalid_client', status: 401 })
}

/** Requests and answers in every other shape. */
async function shapes() {
  const { publicKey, privateKey } = await jose.generateKeyPair('ES256')
  const metadata = {
    token_endpoint_auth_method: 'client_secret_post',
    jwks: { keys: [await jose.exportJWK(publicKey)] },
    post_logout_redirect_uris: [bye],
  }
  await register('shapes', metadata, secret)
  const config = await configure('shapes', metadata, client.ClientSecretPost(secret))
  const signed = (config, parameters) => client.buildAuthorizationUrlWithJAR(config, parameters, privateKey)

  // A signed request by value; what stands beside it is not looked at.
  const beside = async (config, parameters) => {
    const address = await signed(config, parameters)
    address.searchParams.set('scope', 'openid')
    return address
  }
  const first = await signIn(config, { build: beside })
  assert.equal(first.tokens.scope, 'openid email offline_access orgs:read')
  assert.equal(jose.decodeProtectedHeader(first.tokens.id_token).alg, 'RS256')

  // One signed by a stranger's key goes back as an error.
  const stranger = await jose.generateKeyPair('ES256')
  const forged = (config, parameters) => client.buildAuthorizationUrlWithJAR(config, parameters, stranger.privateKey)
  const lone = open(await forged(config, { redirect_uri: callback, scope: 'openid' }))
  await assert.rejects(lone, /the browser stays at a page/)

  // form_post, and claims by value and as essential.
  const claims = { userinfo: { given_name: { essential: true }, zoneinfo: null }, id_token: { email: null, auth_time: { essential: true } } }
  const posted = await signIn(config, { parameters: { scope: 'openid profile', response_mode: 'form_post', claims: JSON.stringify(claims) } })
  assert(posted.answer instanceof Request)
  assert.equal(posted.tokens.claims().email, 'ada@example.com')
  assert.equal(typeof posted.tokens.claims().auth_time, 'number')
  assert.equal(posted.tokens.refresh_token, undefined)
  const { sub } = posted.tokens.claims()
  const info = await client.fetchUserInfo(config, posted.tokens.access_token, sub)
  assert.deepEqual([info.given_name, info.zoneinfo, info.email], ['Ada', 'Europe/London', undefined])

  // The signed answer, in the query and by form_post.
  const jarm = await configure('shapes', metadata, client.ClientSecretPost(secret), client.useJwtResponseMode)
  for (const response_mode of ['jwt', 'query.jwt', 'form_post.jwt']) {
    const build = (_, parameters) => signed(config, parameters) // jarm's own says jwt always
    const { answer, tokens } = await signIn(jarm, { build, parameters: { response_mode } })
    assert.equal(answer instanceof Request, response_mode === 'form_post.jwt')
    assert.equal(tokens.claims().sub, sub)
  }
  await assert.rejects(signIn(jarm, { parameters: { scope: 'openid nonsense' } }), { error: 'invalid_scope' })

  // Hints: the same person needs no page; another's hint does.
  const hint = { id_token_hint: posted.tokens.id_token, prompt: 'none' }
  assert.equal((await signIn(config, { parameters: hint })).tokens.claims().sub, sub)
  const nobody = { ...hint, redirect_uri: callback, scope: 'openid', code_challenge: await client.calculatePKCECodeChallenge('v'.repeat(43)), code_challenge_method: 'S256' }
  assert.equal((await open(client.buildAuthorizationUrl(config, nobody), 'bob')).searchParams.get('error'), 'login_required')

  // Two APIs at once by several resource parameters: RFC 8707 §2.
  const both = ['https://api.example', 'https://other.example']
  const many = (config, parameters) => signed(config, new URLSearchParams([...Object.entries(parameters), ...both.map((r) => ['resource', r])]))
  const two = await signIn(config, { build: many })
  assert.deepEqual(jose.decodeJwt(two.tokens.access_token).aud, both)
  const narrow = await client.refreshTokenGrant(config, two.tokens.refresh_token, { resource: both[1], scope: 'openid' })
  assert.equal(narrow.scope, 'openid')
  assert.deepEqual([jose.decodeJwt(narrow.access_token).aud].flat(), [both[1]])

  // Sign out by the app: with its own ID token nobody is asked.
  const leave = client.buildEndSessionUrl(config, { id_token_hint: first.tokens.id_token, post_logout_redirect_uri: bye, state: 's1' })
  assert.equal((await open(leave)).href, bye + '?state=s1')
  assert.equal((await open(client.buildAuthorizationUrl(config, nobody))).searchParams.get('error'), 'login_required')
  const elsewhere = client.buildEndSessionUrl(config, { id_token_hint: first.tokens.id_token, post_logout_redirect_uri: bye + '/' })
  assert.match(await read(elsewhere), /post_logout_redirect_uri/)
}

/** What the server itself sends to or fetches from an app. */
async function between() {
  let published
  const app = createServer((request, response) => {
    if (request.method === 'GET') return response.end(published)
    request.setEncoding('utf8').toArray().then((parts) => {
      response.end()
      app.emit('told', new URLSearchParams(parts.join('')))
    })
  })
  await once(app.listen(0, '127.0.0.1'), 'listening')
  const here = `http://127.0.0.1:${app.address().port}`
  const { publicKey, privateKey } = await jose.generateKeyPair('ES256')
  const metadata = {
    jwks: { keys: [await jose.exportJWK(publicKey)] },
    request_uris: [here + '/request'],
    backchannel_logout_uri: here + '/logout',
    backchannel_logout_session_required: true,
    post_logout_redirect_uris: [bye],
  }
  await register('between', metadata, secret)
  const config = await configure('between', metadata, client.ClientSecretBasic(secret))

  // The signed request by reference: RFC 9101 §5.2.
  const referred = async (config, parameters) => {
    published = (await client.buildAuthorizationUrlWithJAR(config, parameters, privateKey)).searchParams.get('request')
    return client.buildAuthorizationUrl(config, { request_uri: metadata.request_uris[0] })
  }
  const { tokens } = await signIn(config, { build: referred })
  const { sub, sid } = tokens.claims()

  // The app is told of the end of the session: Back-Channel Logout §2.4.
  const told = once(app, 'told')
  await open(client.buildEndSessionUrl(config, { id_token_hint: tokens.id_token, post_logout_redirect_uri: bye }))
  const [form] = await told
  const { payload } = await jose.jwtVerify(form.get('logout_token'), keySet, { issuer, audience: 'between', typ: 'logout+jwt', requiredClaims: ['iat', 'exp', 'jti'] })
  assert.deepEqual([payload.sub, payload.sid, payload.nonce], [sub, sid, undefined])
  assert.deepEqual(payload.events, { 'http://schemas.openid.net/event/backchannel-logout': {} })
  app.close()
}

for (const alg of ['ES256', 'PS256', 'EdDSA', 'RS256']) {
  await everythingSigned(alg)
}
await secretJWT()
await shapes()
await between()
done()
