// The server, and the app as it is registered there. With dpop the tokens are
// bound to a key that never leaves this browser: stolen, they are of no use.
export const authority = 'http://localhost:8080'
export const client_id = 'spa'
export const dpop = true
