// Compares the verdicts of the product and of the stand-in on seeded demographics with those of `patientCreateSchema`,
// which Metriport publishes.

import { spawnSync } from "node:child_process";
import { isDeepStrictEqual } from "node:util";

import { Chance } from "./chance.mjs";

const NOW = "2026-11-27T12:00:00.000Z";
const TODAY = NOW.slice(0, 10);

// The schema reads the clock. A fixed clock makes dates near today the same in every run.
globalThis.Date = class extends Date {
  constructor(...given) {
    if (given.length === 0) super(NOW);
    else super(...given);
  }
};
const { STRICTER, expect, takes } = await import("./rules.mjs");
const { shape } = await import("./shapes.mjs");

// The shapes, each with its expected verdict.
export function makeCases(count, seed) {
  const chance = new Chance(seed);
  return Array.from({ length: count }, (_, number) => {
    const { text, doubled } = shape(number, chance, TODAY);
    const body = JSON.parse(text);
    return { text, expected: expect(body, doubled), schemaTakes: takes(body).success };
  });
}

function ask(program, moment, cases) {
  const input = `${cases.map(({ text }) => text).join("\n")}\n`;
  const { status, stdout, stderr, error } = spawnSync(program, [moment], { input, encoding: "utf8", maxBuffer: 2 ** 30 });
  if (status !== 0) throw new Error(`${program}: ${error ?? stderr}`);
  const verdicts = stdout.trimEnd().split("\n").map((line) => JSON.parse(line));
  if (verdicts.length !== cases.length) throw new Error(`${program}: ${verdicts.length} verdicts on ${cases.length} shapes`);
  return verdicts;
}

// The differences between the product's verdicts and the expected ones.
export function judgeProduct(program, cases) {
  const disagreements = [];
  ask(program, NOW, cases).forEach((verdict, index) => {
    const { text, expected, schemaTakes } = cases[index];
    const disagree = (what) => disagreements.push(`${what}: ${text.slice(0, 600)}`);
    if (schemaTakes !== expected.schema) disagree("the schema's fields and the schema differ");
    if (verdict.sent && !schemaTakes) disagree("taken, and the schema refuses it");
    if (Boolean(verdict.sent) === expected.faults.size > 0) disagree(`the verdict is ${JSON.stringify(verdict)}`);
    const named = new Set((verdict.errors ?? []).map(({ pointer }) => pointer));
    for (const [pointer, reason] of expected.faults) if (!named.has(pointer)) disagree(`not named (${reason}) at "${pointer}"`);
    for (const pointer of named) if (!expected.faults.has(pointer)) disagree(`refused without a reason at "${pointer}"`);
    if (verdict.sent && !isDeepStrictEqual(takes(verdict.sent).data, verdict.sent)) disagree("the schema changes what is sent");
  });
  return disagreements;
}

// The differences between the stand-in's verdicts and the schema's, except two known ones: the stand-in refuses dates
// that are not in the calendar, and half a surrogate pair.
export function judgeStandIn(program, cases) {
  const verdicts = ask(program, TODAY, cases);
  const known = ({ expected }) => [...expected.faults.values()].some((reason) => ["calendar-date", "half-surrogate"].includes(reason));
  const differ = cases.filter((one, index) => verdicts[index] !== one.schemaTakes && !(one.schemaTakes && known(one)));
  return differ.map(({ text }) => `the stand-in's verdict differs from the schema's: ${text.slice(0, 600)}`);
}

// The number of shapes with each verdict and each reason.
export function count(cases) {
  const counts = { taken: 0, refused: 0, stricter: 0, fields: {}, reasons: Object.fromEntries(Object.keys(STRICTER).map((reason) => [reason, 0])) };
  for (const { expected, schemaTakes } of cases) {
    counts[schemaTakes ? "taken" : "refused"] += 1;
    if (schemaTakes && expected.faults.size > 0) counts.stricter += 1;
    for (const [name, taken] of expected.fields) {
      counts.fields[name] ??= { taken: 0, refused: 0 };
      counts.fields[name][taken ? "taken" : "refused"] += 1;
    }
    for (const reason of expected.faults.values()) if (reason in counts.reasons) counts.reasons[reason] += 1;
  }
  return counts;
}

export { STRICTER };
