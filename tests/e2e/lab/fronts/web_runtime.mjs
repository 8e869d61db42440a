// SPDX-License-Identifier: Apache-2.0
// An HTTPS reverse proxy: bun run web_runtime.mjs CONFIGURATION.json, deno run web_runtime.mjs CONFIGURATION.json.
import { readFileSync } from 'node:fs';
import process from 'node:process';

const read = (file) => readFileSync(file, 'utf8');
const given = JSON.parse(read(process.argv[2]));

function forward(request) {
  const { pathname, search } = new URL(request.url);
  return fetch(given.server + pathname + search, { method: request.method, headers: request.headers, redirect: 'manual' });
}

for (const door of given.doors) {
  const address = { hostname: '127.0.0.1', port: door.port };
  const own = { cert: read(given.certificate), key: read(given.key) };
  if (globalThis.Deno) {
    Deno.serve({ ...address, ...own }, forward);
  } else {
    const tls = { ...own, ca: read(given.client_ca), requestCert: true, rejectUnauthorized: door.mode === 'required' };
    Bun.serve({ ...address, tls, fetch: forward });
  }
}
