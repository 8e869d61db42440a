// SPDX-License-Identifier: Apache-2.0
// manifest_types.mjs FILE: each document against the JSON schemas of its kind, and as a typed literal against the types, which
// refuse fields that do not exist. To be copied below a folder with node_modules of kubernetes-models,
// @kubernetes-models/prometheus-operator, js-yaml and typescript.
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import * as yaml from 'js-yaml';

const require = createRequire(import.meta.url);
const moduleOf = (document) => (document.apiVersion.startsWith('monitoring.coreos.com/') ? '@kubernetes-models/prometheus-operator' : 'kubernetes-models')
  + `/${document.apiVersion}/${document.kind}`;

const documents = yaml.loadAll(fs.readFileSync(process.argv[2], 'utf8')).filter(Boolean);
let failed = false;
for (const document of documents) {
  const kinds = await import(moduleOf(document));
  try {
    new kinds[document.kind](document).validate();
  } catch (error) {
    failed = true;
    console.log(`${document.kind} ${document.metadata.name}: ${error.message}`);
  }
}
const folder = import.meta.dirname;
try {
  const literals = documents.map((document, number) => `import type { I${document.kind} as K${number} } from '${moduleOf(document)}';\n`
    + `export const d${number}: K${number} = ${JSON.stringify(document, null, 1)};\n`);
  fs.writeFileSync(path.join(folder, 'check.ts'), literals.join(''));
  execFileSync('node', [require.resolve('typescript/bin/tsc'), '--strict', '--noEmit', '--skipLibCheck', '--module', 'commonjs',
    '--moduleResolution', 'node', path.join(folder, 'check.ts')], { stdio: 'pipe' });
} catch (error) {
  failed = true;
  console.log(String(error.stdout ?? error));
}
process.exit(failed ? 1 : 0);
