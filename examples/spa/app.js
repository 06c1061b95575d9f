// An app without a server of its own: it signs in by redirect with PKCE, keeps
// its tokens in sessionStorage, and renews them by refresh token.
import { authority, client_id, dpop } from './config.js'

const { UserManager, IndexedDbDPoPStore } = window.oidc
const here = location.origin + location.pathname
const manager = new UserManager({
  authority,
  client_id,
  redirect_uri: here,
  post_logout_redirect_uri: here,
  scope: 'openid profile email offline_access',
  loadUserInfo: !dpop, // the library would send a bound token as a plain one
  ...(dpop && { dpop: { store: new IndexedDbDPoPStore(), bind_authorization_code: true } }),
})

const element = (id) => document.getElementById(id)
const say = (text) => { element('out').textContent = text }

/** The answer to a request with the access token, and the proof that goes with it. */
async function call(address, nonce) {
  const user = await manager.getUser()
  if (!user) throw new Error('nobody is signed in')
  const headers = { Authorization: `${user.token_type} ${user.access_token}` }
  if (dpop) headers.DPoP = await manager.dpopProof(address, user, 'GET', nonce)
  const response = await fetch(address, { headers })
  const wanted = response.headers.get('DPoP-Nonce')
  if (response.status === 401 && wanted && !nonce) return call(address, wanted) // RFC 9449 §9
  return response
}

async function show() {
  const user = await manager.getUser()
  const id = user && JSON.parse(atob(user.access_token.split('.')[1].replaceAll('-', '+').replaceAll('_', '/'))).jti
  element('who').textContent = user ? `Signed in as ${user.profile.name ?? user.profile.sub} with the ${user.token_type} token ${id}` : 'Nobody is signed in'
}

const actions = {
  'sign-in': () => manager.signinRedirect(),
  renew: async () => { await manager.signinSilent(); say('renewed') },
  ask: async () => {
    const response = await call(await manager.metadataService.getUserInfoEndpoint())
    say(response.ok ? 'user info: ' + JSON.stringify(await response.json(), null, 2) : 'refused: ' + response.status)
  },
  revoke: async () => { await manager.revokeTokens(['refresh_token']); say('given back') },
  'sign-out': () => manager.signoutRedirect(),
}
for (const [id, action] of Object.entries(actions)) {
  element(id).onclick = async () => {
    say('')
    await action().catch((error) => say('failed: ' + error.message))
    await show()
  }
}

// Back from the server: from signing in with a code or an error, from signing
// out with a state alone.
const answer = new URLSearchParams(location.search)
if (answer.has('state')) {
  const back = answer.has('code') || answer.has('error') ? manager.signinCallback() : manager.signoutCallback()
  await back.catch((error) => say('failed: ' + error.message))
  history.replaceState(null, '', here)
}
await show()
