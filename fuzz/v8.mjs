// Runs what `differential export DIR` has written in V8, which executes both forms of exceptions:
//
//     node --experimental-wasm-exnref v8.mjs DIR
//
// So the model, which the generator `old` is compared with, is compared itself.
import fs from "node:fs";
import path from "node:path";

// A host function that fails must not throw an exception of JavaScript's, which `catch_all` would catch: it traps.
const TRAP = "AGFzbQEAAAABBAFgAAADAgEABwUBAWYAAAoFAQMAAAs=";
const trap = new WebAssembly.Instance(new WebAssembly.Module(Buffer.from(TRAP, "base64"))).exports.f;
const host = {
  note() {},
  fail(number) {
    if (number < 0) {
      trap();
    }
  },
  keep: (reference) => reference,
};

function ended(call) {
  try {
    const bits = call();
    return `i64 ${bits} (0x${BigInt.asUintN(64, bits).toString(16)})`;
  } catch (error) {
    if (error instanceof WebAssembly.Exception) {
      return "Exception";
    }
    const stops = { unreachable: "Unreachable", "rethrowing null value": "NullReference" };
    return stops[error.message] ?? String(error);
  }
}

const folder = process.argv[2];
const ends = {};
let differences = 0;
for (const file of fs.readdirSync(folder).filter((name) => name.endsWith(".wasm"))) {
  const calls = JSON.parse(fs.readFileSync(path.join(folder, file.replace(".wasm", ".json"))));
  const module = new WebAssembly.Module(fs.readFileSync(path.join(folder, file)));
  const { exports } = new WebAssembly.Instance(module, { host });
  for (const [name, args, result] of calls) {
    const expected = result === "Host" ? "Unreachable" : result;
    const seen = ended(() => exports[name](...args));
    ends[result.split(" ")[0]] = (ends[result.split(" ")[0]] ?? 0) + 1;
    if (seen !== expected) {
      console.log(`${file}: ${name}(${args}): expected ${expected}, V8 has ${seen}`);
      differences += 1;
      break;
    }
  }
}
console.log(ends);
process.exitCode = differences === 0 ? 0 : 1;
