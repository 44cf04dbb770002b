// Runs a WASI program under Node: node node-wasi.mjs FILE GUEST=HOST,.. ARGS..
import { readFileSync } from 'node:fs';
import { WASI } from 'node:wasi';

const [file, directories, ...args] = process.argv.slice(2);
const preopens = Object.fromEntries(directories.split(',').filter(Boolean).map((pair) => pair.split('=')));
const wasi = new WASI({ version: 'preview1', args: [file, ...args], env: {}, preopens, returnOnExit: true });
const module = await WebAssembly.compile(readFileSync(file));
process.exitCode = wasi.start(await WebAssembly.instantiate(module, wasi.getImportObject()));
