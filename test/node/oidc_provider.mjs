// A foreign OpenID Connect provider: node-oidc-provider, with one app and pages
// of its own that ask for nothing but a press of a button. It says its address
// when it listens, and ends with its standard input.
import { createServer } from 'node:http'
import Provider from 'oidc-provider'

const settings = JSON.parse(process.argv[2])
const people = { frida: { name: 'Frida Example', given_name: 'Frida', family_name: 'Example', email: 'frida@foreign.example', email_verified: true } }

const server = createServer()
server.listen(0, '127.0.0.1', () => {
  const issuer = `http://127.0.0.1:${server.address().port}`
  const provider = new Provider(issuer, {
    clients: [{
      client_id: settings.client, client_secret: settings.secret, redirect_uris: [settings.callback],
      post_logout_redirect_uris: [settings.signedOut], token_endpoint_auth_method: 'client_secret_basic',
    }],
    claims: { openid: ['sub'], email: ['email', 'email_verified'], profile: ['name', 'given_name', 'family_name'] },
    cookies: { keys: ['a key for the tests'] },
    conformIdTokenClaims: true,
    features: {
      devInteractions: { enabled: false },
      rpInitiatedLogout: {
        enabled: true,
        logoutSource(ctx, form) { ctx.body = page(`${form}<button id="leave" name="logout" value="yes" form="op.logoutForm">Sign out</button>`) },
      },
    },
    findAccount: (_, id) => people[id] && { accountId: id, claims: () => ({ sub: id, ...people[id] }) },
    interactions: { url: (_, interaction) => `/interaction/${interaction.uid}` },
  })
  const answer = provider.callback()
  server.on('request', (req, res) => {
    if (req.url.startsWith('/interaction/')) return interact(provider, req, res).catch((error) => res.writeHead(500).end(String(error)))
    return answer(req, res)
  })
  console.log(issuer)
})

/** Shows what is asked, and takes the answer. */
async function interact(provider, req, res) {
  const { prompt, params, session } = await provider.interactionDetails(req, res)
  if (req.method === 'GET') {
    res.setHeader('Content-Type', 'text/html; charset=utf-8')
    res.end(page(`<form method="post"><button id="${prompt.name}">${prompt.name === 'login' ? 'Continue as Frida' : 'Allow'}</button></form>`))
    return
  }
  if (prompt.name === 'login') {
    await provider.interactionFinished(req, res, { login: { accountId: 'frida' } })
    return
  }
  const grant = new provider.Grant({ accountId: session.accountId, clientId: params.client_id })
  grant.addOIDCScope(params.scope)
  await provider.interactionFinished(req, res, { consent: { grantId: await grant.save() } })
}

const page = (content) => `<!doctype html><html lang="en"><title>Foreign ID</title><h1>Foreign ID</h1>${content}`

process.stdin.on('end', () => process.exit(0)).resume()
