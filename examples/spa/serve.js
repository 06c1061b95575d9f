// Serves this folder on http://127.0.0.1:8081: another host than the server's
// localhost, so that neither sees the other's cookies.
import { createServer } from 'node:http'
import { readFile } from 'node:fs/promises'
import { extname } from 'node:path'

const types = { '.html': 'text/html; charset=utf-8', '.js': 'text/javascript' }
const files = ['/index.html', '/app.js', '/config.js', '/node_modules/oidc-client-ts/dist/browser/oidc-client-ts.min.js']

createServer(async (request, response) => {
  let { pathname } = new URL(request.url, 'http://127.0.0.1')
  if (pathname === '/') pathname = '/index.html'
  if (!files.includes(pathname)) return response.writeHead(404).end()
  response.setHeader('Content-Type', types[extname(pathname)])
  response.end(await readFile(new URL('.' + pathname, import.meta.url)))
}).listen(8081, '127.0.0.1', () => console.log('http://127.0.0.1:8081/'))
