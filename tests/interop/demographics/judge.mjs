// Judges the product and the stand-in. Arguments: the two programs that give their verdicts, `--shapes N`, `--seed N`.

import { parseArgs } from "node:util";

import { STRICTER, count, judgeProduct, judgeStandIn, makeCases } from "./compare.mjs";

const LEAST_PER_FIELD = 100;
const EXAMPLES = 10;

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: { shapes: { type: "string", default: "12000" }, seed: { type: "string", default: "13" } },
});
const [product, standIn] = positionals;
const cases = makeCases(Number(options.shapes), Number(options.seed));
const ours = judgeProduct(product, cases);
const disagreements = [...ours, ...judgeStandIn(standIn, cases)];

const { taken, refused, stricter, fields, reasons } = count(cases);
for (const [name, of] of Object.entries(fields)) console.log(`${name.padEnd(14)} the schema takes ${of.taken}, refuses ${of.refused}`);
for (const [reason, times] of Object.entries(reasons)) console.log(`${String(times).padStart(5)} ${reason}: ${STRICTER[reason]}`);
for (const disagreement of disagreements.slice(0, EXAMPLES)) console.log(`DISAGREEMENT ${disagreement}`);
const unmet = Object.keys(reasons).filter((reason) => reasons[reason] === 0);
if (unmet.length > 0) console.log(`reasons that no shape has: ${unmet.join(", ")}`);
const least = Math.min(...Object.values(fields).flatMap((of) => [of.taken, of.refused]));
const laxer = ours.filter((what) => what.startsWith("taken, and")).length;
console.log(
  `demographics: ${cases.length} shapes, seed ${options.seed}: the schema takes ${taken} and refuses ${refused}; ` +
    `${laxer} accepted by us and refused by it; ${stricter} refused only by us, each for a listed reason; ` +
    `at least ${least} of each verdict for each of ${Object.keys(fields).length} fields; ${disagreements.length} disagreements`,
);
process.exit(disagreements.length === 0 && least >= LEAST_PER_FIELD && unmet.length === 0 ? 0 : 1);
