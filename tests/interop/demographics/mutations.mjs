// Removes each check from a copy of `shared/src/domain`, builds the program that gives the product's verdict, and
// judges it.
//   mutations [TEXT]     removes all checks one by one, or those whose name contains the text

import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

import { CHECKS } from "./checks.mjs";

const root = join(dirname(fileURLToPath(import.meta.url)), "../../..");
const domain = join(root, "shared/src/domain");
const target = join(process.env.CARGO_TARGET_DIR ?? join(root, "target"), "mutations");
const only = process.argv[2] ?? "";

// The text of the check's file without the check, which must be there exactly once.
function without([name, file, from, to]) {
  const parts = readFileSync(join(domain, file), "utf8").split(from);
  if (parts.length !== 2) throw new Error(`${name}: its text is ${parts.length - 1} times in ${file}, not once`);
  return parts.join(to);
}

// The external crates that the domain uses outside its tests.
function neededCrates() {
  const manifest = readFileSync(join(root, "Cargo.toml"), "utf8");
  const crates = [...manifest.split("[workspace.dependencies]")[1].split("\n[")[0].matchAll(/^([\w-]+) = (?!\{ path)/gm)];
  const sources = readdirSync(domain, { recursive: true }).filter((name) => name.endsWith(".rs") && !name.includes("tests"));
  const texts = sources.map((name) => readFileSync(join(domain, name), "utf8")).join("\n");
  return crates.map(([, name]) => name).filter((name) => new RegExp(`\\b${name.replaceAll("-", "_")}::`).test(texts));
}

// Writes the domain and the program as a separate package, which builds in seconds.
function write(folder, name, file, text) {
  const own = join(folder, name);
  mkdirSync(join(own, "src"), { recursive: true });
  const manifest = `[package]\nname = "${name}"\nedition.workspace = true\n\n[dependencies]\n`;
  writeFileSync(join(own, "Cargo.toml"), manifest + needed.map((crate) => `${crate}.workspace = true\n`).join(""));
  const program = readFileSync(join(root, "shared/examples/judge_demographics.rs"), "utf8");
  writeFileSync(join(own, "src/main.rs"), `${program}\npub mod domain;\nmod shared {\n    pub use crate::domain;\n}\n`);
  cpSync(domain, join(own, "src/domain"), { recursive: true });
  if (file) writeFileSync(join(own, "src/domain", file), text);
}

function build(mutated) {
  const folder = mkdtempSync(join(tmpdir(), "mutations-"));
  const manifest = readFileSync(join(root, "Cargo.toml"), "utf8");
  const members = manifest.replace(/^members = .*$/m, 'members = ["*"]').replace(/^(exclude|default-members) = .*$/gm, "");
  writeFileSync(join(folder, "Cargo.toml"), members);
  cpSync(join(root, "Cargo.lock"), join(folder, "Cargo.lock"));
  write(folder, "whole");
  mutated.forEach(({ file, text }, index) => write(folder, `without-${index}`, file, text));
  const env = { ...process.env, CARGO_TARGET_DIR: target, CARGO_INCREMENTAL: "0", CARGO_PROFILE_DEV_DEBUG: "0", RUSTFLAGS: "-Awarnings" };
  execFileSync("cargo", ["build", "--quiet", "--offline"], { cwd: folder, env, stdio: "inherit" });
  rmSync(folder, { recursive: true });
}

const needed = neededCrates();
const checks = CHECKS.filter(([name]) => name.includes(only));
const mutated = checks.map((check) => ({ name: check[0], file: check[1], text: without(check) }));
build(mutated);
const { judgeProduct, makeCases } = await import("./compare.mjs");
const cases = makeCases(12000, 13);
const disagreements = (name) => judgeProduct(join(target, "debug", name), cases);
if (disagreements("whole").length > 0) throw new Error("the judge fails although no check is missing");
const missed = mutated.filter(({ name }, index) => {
  const found = disagreements(`without-${index}`);
  console.log(`${found.length > 0 ? "caught" : "MISSED"}  ${name}: ${found.length} disagreements`);
  return found.length === 0;
});
console.log(`mutations: ${mutated.length} checks removed one by one; the judge noticed ${mutated.length - missed.length}`);
process.exit(missed.length === 0 && mutated.length > 0 ? 0 : 1);
