// The MCP client of npm's @modelcontextprotocol/sdk against examples/mcp-server. It
// is told the server's URL and nothing else; how it comes by a client_id is one of
// the ways of MCP's authorization: the address of its own metadata document, or
// registration.
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import { UnauthorizedError } from '@modelcontextprotocol/sdk/client/auth.js'
import * as oauth from 'oauth4webapi'
import * as jose from 'jose'
import assert from 'node:assert/strict'
import { settings, open, done } from './talk.mjs'

const { issuer, url, document, secret } = settings
const scope = 'organizations:read'

/** A client's memory, as the SDK wants it. */
class Memory {
  constructor(metadata, clientMetadataUrl) {
    this.clientMetadata = { client_name: 'A program', redirect_uris: ['http://127.0.0.1:3118/callback'], ...metadata }
    this.clientMetadataUrl = clientMetadataUrl
    this.kept = {}
  }
  get redirectUrl() { return this.clientMetadata.redirect_uris[0] }
  state() { return this.kept.state = oauth.generateRandomState() }
  clientInformation() { return this.kept.client }
  saveClientInformation(client) { this.kept.client = client }
  tokens() { return this.kept.tokens }
  saveTokens(tokens) { this.kept.tokens = tokens }
  codeVerifier() { return this.kept.verifier }
  saveCodeVerifier(verifier) { this.kept.verifier = verifier }
  redirectToAuthorization(address) { this.kept.address = address }
  invalidateCredentials(what) { delete this.kept[what] }
}

async function connect(memory) {
  const transport = new StreamableHTTPClientTransport(new URL(url), { authProvider: memory })
  const mcp = new Client({ name: 'test', version: '1.0.0' })
  return { transport, mcp, connected: mcp.connect(transport) }
}

/** From the URL alone to an answer. */
async function session(memory, as) {
  const first = await connect(memory)
  await assert.rejects(first.connected, UnauthorizedError)
  const asked = memory.kept.address.searchParams
  assert.equal(memory.kept.address.origin + memory.kept.address.pathname, issuer + '/authorize')
  assert.deepEqual([asked.get('resource'), asked.get('scope'), asked.get('code_challenge_method')], [url, scope, 'S256'])
  const answer = await open(memory.kept.address, as)
  assert.equal(answer.origin + answer.pathname, memory.redirectUrl)
  assert.deepEqual([answer.searchParams.get('state'), answer.searchParams.get('iss')], [memory.kept.state, issuer])
  await first.transport.finishAuth(answer.searchParams.get('code'))

  const keys = jose.createRemoteJWKSet(new URL(issuer + '/jwks'))
  const { payload } = await jose.jwtVerify(memory.kept.tokens.access_token, keys, { issuer, typ: 'at+jwt' })
  assert.deepEqual([payload.aud].flat(), [url])
  assert.deepEqual([payload.client_id, payload.scope], [memory.kept.client.client_id, scope])

  const { mcp, connected } = await connect(memory)
  await connected
  assert.deepEqual((await mcp.listTools()).tools.map((t) => t.name).sort(), ['list_organizations', 'whoami'])
  const who = await mcp.callTool({ name: 'whoami' })
  assert.deepEqual(who.structuredContent, { subject: payload.sub, client: payload.client_id, scopes: [scope] })
  const { structuredContent } = await mcp.callTool({ name: 'list_organizations' })
  assert.deepEqual(structuredContent.organizations.map((o) => o.city), ['London', 'Ockham'])

  // A token that is worth nothing any more is refreshed, and nobody is asked.
  const old = memory.kept.tokens
  delete memory.kept.address
  memory.kept.tokens = { ...old, access_token: old.access_token.slice(0, -8) + 'AAAAAAAA' }
  assert.equal((await mcp.callTool({ name: 'whoami' })).structuredContent.subject, payload.sub)
  assert.equal(memory.kept.address, undefined)
  assert.notEqual(memory.kept.tokens.refresh_token, old.refresh_token)
  assert.deepEqual([jose.decodeJwt(memory.kept.tokens.access_token).aud].flat(), [url])
  return { memory, mcp, sub: payload.sub }
}

/** What the server says to who brings nothing, or something for another. */
async function refusals() {
  const call = (token) => fetch(url, {
    method: 'POST', body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/list' }),
    headers: { 'content-type': 'application/json', accept: 'application/json, text/event-stream', ...(token && { authorization: 'Bearer ' + token }) },
  })
  const nothing = await call()
  const { origin, pathname } = new URL(url)
  const metadata = `${origin}/.well-known/oauth-protected-resource${pathname}`
  assert.equal(nothing.status, 401)
  assert(nothing.headers.get('www-authenticate').startsWith(`Bearer resource_metadata="${metadata}"`))

  const options = { [oauth.allowInsecureRequests]: true }
  const found = await oauth.processResourceDiscoveryResponse(new URL(url), await oauth.resourceDiscoveryRequest(new URL(url), options))
  assert.deepEqual(found, { resource: url, authorization_servers: [issuer], scopes_supported: [scope], bearer_methods_supported: ['header'] })
  assert.deepEqual(await (await fetch(origin + '/.well-known/oauth-protected-resource')).json(), found)

  // A good token of the same server, for another API.
  const at = new URL(issuer)
  const as = await oauth.processDiscoveryResponse(at, await oauth.discoveryRequest(at, options))
  assert(as.protected_resources.includes(url)) // RFC 9728 §4
  const job = { client_id: 'service' }
  const response = await oauth.clientCredentialsGrantRequest(as, job, oauth.ClientSecretBasic(secret), { scope: 'orgs:read' }, options)
  const { access_token } = await oauth.processClientCredentialsResponse(as, job, response)
  const elsewhere = await call(access_token)
  assert.equal(elsewhere.status, 401)
  assert.match(elsewhere.headers.get('www-authenticate'), /^Bearer error="invalid_token"/)
}

/** The person ends it, and the program has to ask again. */
async function ends({ memory, mcp }) {
  const { client_id } = memory.kept.client
  const { status } = await fetch(issuer + '/revoke', { method: 'POST', body: new URLSearchParams({ client_id, token: memory.kept.tokens.refresh_token }) })
  assert.equal(status, 200)
  memory.kept.tokens = { ...memory.kept.tokens, access_token: 'x' }
  await assert.rejects(mcp.callTool({ name: 'whoami' }), UnauthorizedError)
  assert.equal(memory.kept.address.searchParams.get('client_id'), client_id)
  assert.equal(memory.kept.tokens, undefined)
}

await refusals()

// By document, which the program can't but publish; any port of the loopback
// address that it names will do: RFC 8252 §7.3.
const published = await session(new Memory({}, document))
assert.equal(published.memory.kept.client.client_id, document)

// By registration, as a public client and, left open, as one with a secret.
const shared = await session(new Memory({ token_endpoint_auth_method: 'none', redirect_uris: ['http://localhost:3118/callback'] }))
assert.equal(shared.memory.kept.client.client_secret, undefined)
assert.equal(shared.sub, published.sub)
const confidential = await session(new Memory({ redirect_uris: ['https://app.example/cb'] }), 'bob')
assert(confidential.memory.kept.client.client_secret)
assert.notEqual(confidential.sub, published.sub)

await ends(published)
await ends(shared)
done()
