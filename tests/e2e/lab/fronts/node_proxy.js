// SPDX-License-Identifier: Apache-2.0
// An HTTPS reverse proxy as people write them: node node_proxy.js CONFIGURATION.json. Logs one JSON line a handshake.
'use strict';
const crypto = require('crypto');
const fs = require('fs');
const http = require('http');
const https = require('https');

const given = JSON.parse(fs.readFileSync(process.argv[2]));
const agent = new http.Agent({ keepAlive: true });

function forward(door, request, response) {
  const socket = request.socket;
  const sent = door.mode && Object.keys(socket.getPeerCertificate()).length > 0;
  const refused = (['required', 'revoking'].includes(door.mode) && !socket.authorized) || (door.mode === 'optional' && sent && !socket.authorized);
  if (refused) return response.writeHead(403, { 'Content-Length': 0 }).end();
  const options = { host: '127.0.0.1', port: given.server_port, method: request.method, path: request.url,
                    headers: request.headers, agent };
  const onward = http.request(options, (answer) => {
    response.writeHead(answer.statusCode, answer.headers);
    answer.pipe(response);
  });
  onward.on('error', () => response.destroy());
  request.pipe(onward);
}

function note(door, socket) {
  const peer = socket.getPeerCertificate();
  console.log(JSON.stringify({ source_port: socket.remotePort, port: door.port, serial: peer.serialNumber || '',
    authorized: socket.authorized, error: String(socket.authorizationError || ''), resumed: socket.isSessionReused(),
    sni: socket.servername || '' }));
}

function open(door) {
  const listener = (request, response) => forward(door, request, response);
  if (!door.mode) return http.createServer(listener).listen(door.port, '127.0.0.1');
  const server = https.createServer({ cert: fs.readFileSync(given.certificate), key: fs.readFileSync(given.key),
    ca: fs.readFileSync(given.client_ca), crl: door.mode === 'revoking' ? fs.readFileSync(given.client_crl) : undefined,
    requestCert: door.mode !== 'none', rejectUnauthorized: false,
    minVersion: 'TLSv1.2', handshakeTimeout: 2000, sessionIdContext: `door${door.port}`,
    secureOptions: door.sessions === 'tickets' ? 0 : crypto.constants.SSL_OP_NO_TICKET }, listener);
  const sessions = new Map();
  if (door.sessions !== 'tickets') {
    server.on('newSession', (id, data, done) => { sessions.set(id.toString('hex'), data); done(); });
    server.on('resumeSession', (id, done) => done(null, sessions.get(id.toString('hex')) || null));
  }
  server.on('secureConnection', (socket) => note(door, socket));
  server.on('tlsClientError', () => {});
  return server.listen(door.port, '127.0.0.1');
}

given.doors.forEach(open);
