// The whole flow by npm's openid-client, against ISSUER. It prints the address
// to open and reads the callback address from standard input.
import * as client from 'openid-client'
import { createInterface } from 'node:readline/promises'
import assert from 'node:assert/strict'

const [issuer, id, secret, callback] = process.argv.slice(2)
const config = await client.discovery(new URL(issuer), id, secret, client.ClientSecretBasic(secret), {
  execute: [client.allowInsecureRequests],
})
const verifier = client.randomPKCECodeVerifier()
const state = client.randomState()
const nonce = client.randomNonce()
const start = client.buildAuthorizationUrl(config, {
  redirect_uri: callback,
  scope: 'openid profile email offline_access orgs:read',
  code_challenge: await client.calculatePKCECodeChallenge(verifier),
  code_challenge_method: 'S256',
  state,
  nonce,
  max_age: '3600',
})
console.log(start.href)

const lines = createInterface({ input: process.stdin })
const answer = new URL((await lines[Symbol.asyncIterator]().next()).value)
const tokens = await client.authorizationCodeGrant(config, answer, {
  pkceCodeVerifier: verifier,
  expectedState: state,
  expectedNonce: nonce,
  maxAge: 3600,
  idTokenExpected: true,
})
const { sub } = tokens.claims()
const info = await client.fetchUserInfo(config, tokens.access_token, sub)
assert.equal(info.email, 'ada@example.com')

const fresh = await client.refreshTokenGrant(config, tokens.refresh_token)
assert.notEqual(fresh.access_token, tokens.access_token)
assert.equal(fresh.claims().sub, sub)

const seen = await client.tokenIntrospection(config, fresh.access_token)
assert.equal(seen.active, true)
await client.tokenRevocation(config, fresh.refresh_token)
assert.equal((await client.tokenIntrospection(config, fresh.access_token)).active, false)
await assert.rejects(client.refreshTokenGrant(config, fresh.refresh_token), { error: 'invalid_grant' })
console.log('done ' + sub)
lines.close()
