// Talks with the Go test that started this script, one JSON document a line: it
// plays the person at the browser and the operator who registers apps.
import { createInterface } from 'node:readline/promises'
import assert from 'node:assert/strict'

/** What the test has to say at the start. */
export const settings = JSON.parse(process.argv[2])

/** Where apps want their answers; nothing listens there. */
export const callback = 'https://app.example/cb'

const lines = createInterface({ input: process.stdin })
const answers = lines[Symbol.asyncIterator]()
let last = Promise.resolve()

function ask(call) {
  last = last.then(async () => {
    console.log(JSON.stringify(call))
    const { value, done } = await answers.next()
    assert(!done, 'the test has gone')
    const answer = JSON.parse(value)
    assert.equal(answer.error, undefined, answer.error)
    return answer
  })
  return last
}

/**
 * Opens an address in somebody's browser, who signs in and agrees where asked.
 * Returns what reaches the app: a URL, or by form_post a Request.
 */
export async function open(address, as) {
  const { url, form, page } = await ask({ open: String(address), as })
  assert(url, `the browser stays at a page: ${page}`)
  return form ? new Request(url, { method: 'POST', body: new URLSearchParams(form) }) : new URL(url)
}

/** Opens an address that ends at a page of the server's, and returns its text. */
export async function read(address, as) {
  const { url, page } = await ask({ open: String(address), as })
  assert.equal(url, undefined)
  return page
}

/** Agrees at the page of a device. */
export async function approve(address, as) {
  return (await ask({ device: address, as })).page
}

/** Registers an app as the operator. */
export async function register(id, metadata, secret) {
  metadata = { client_name: id, redirect_uris: [callback], ...metadata }
  return (await ask({ client: { ID: id, Metadata: metadata, Secret: secret } })).client
}

/** The script's last word. */
export function done() {
  console.log(JSON.stringify({ done: true }))
  lines.close()
}
