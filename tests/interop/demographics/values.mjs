// Values of each field: usual ones, values at a limit, and values of another type.

// At least one character of each general category that a name must not contain: Cc, Cf, Zl, Zp, Co, Cn.
export const HIDDEN = [
  "\0", "\t", "\n", "\x1b", "\x7f", "\x85", "\x9f", "\u00ad", "\u061c", "\u200b", "\u200d", "\u200e", "\u202e", "\u2060",
  "\u2066", "\ufeff", "\ufff9", "\u{e0001}", "\u{1d173}", "\u2028", "\u2029", "\ue000", "\uf8ff", "\u{f0000}", "\u{10fffd}",
  "\u0378", "\ufdd0", "\ufffe", "\uffff", "\u{10ffff}",
];
const SPACES = [" ", "  ", "\t", "\n", "\u00a0", "\u2003", "\u3000", "\u1680", "\u2028", "\ufeff", "\x85"];
const NAMES = [
  "Nora", "Quill", "Zoë", "O’Brien-Smith", "李小龍", "Mary Ann", "van der Berg, Jr.", "Nǃxau", "n\u0303", "𝒩ora", "a", "Ø",
  "محمد", "Ирина", "77 Birch Ln", "Dayton", "Apt. 4/B", "St. John's", "👩",
];
const STATES = ("AL AK AZ AR CA CO CT DE DC FL GA HI ID IL IN IA KS KY LA ME MD MA MI MN MS MO MT NE NV NH NJ NM NY NC ND " +
  "OH OK OR PA RI SC SD TN TX UT VT VA WA WV WI WY AS GU PR VI").split(" ");
const PLACEHOLDERS = [
  "00000", "99999", "10000", "20000", "30000", "40000", "50000", "60000", "70000", "80000", "90000", "12345", "54321",
];

const retyped = (chance, value) =>
  chance.pick([null, 0, 5, true, false, [], {}, [value], { value }, [[value]], 1e300]);

const around = (chance, text) => chance.pick(SPACES) + text + (chance.oneIn(2) ? chance.pick(SPACES) : "");

const inserted = (chance, text, more) => {
  const characters = [...text];
  characters.splice(chance.below(characters.length + 1), 0, more);
  return characters.join("");
};

export function text(chance) {
  const name = chance.pick(NAMES);
  switch (chance.below(9)) {
    case 0: return chance.pick(["", " ", "\t", "\u3000", "\ufeff", "\x85", "\u200b"]);
    case 1: return inserted(chance, name, chance.pick(HIDDEN));
    case 2: return around(chance, name);
    case 3: return chance.pick(["a", "é", "李", "𝒩"]).repeat(chance.pick([1, 199, 200, 201, 400]));
    case 4: return around(chance, "é".repeat(chance.pick([199, 200, 201])));
    case 5: case 6: return retyped(chance, name);
    default: return name;
  }
}

export function dob(chance, today) {
  const two = (number) => String(number).padStart(2, "0");
  const usual = `${1900 + chance.below(127)}-${two(1 + chance.below(12))}-${two(1 + chance.below(31))}`;
  switch (chance.below(8)) {
    case 0: return chance.pick([
      "1899-12-31", "1900-01-01", "1899-01-01", today, "2026-11-28", "2027-01-01", "9999-12-31", "0000-01-01", "0984-07-19",
      "2000-02-29", "1900-02-29", "1983-02-29", "1984-02-30", "1984-04-31",
    ]);
    case 1: return chance.pick([
      "", "1984", "1984-07", "1984-7-19", "1984/07/19", "19840719", "07/19/1984", "July 19, 1984", "1984-07-19T00:00:00Z",
      "1984-07-19 ", "1984-13-01", "1984-00-10", "1984-07-00", "1984-07-32", "-1984-07-19", "+1984-07-19", "+001984-07-19",
      "1984-W29-4", "1984-201", "1984-07-19x", "x1984-07-19", "１９８４-07-19", "1984-07-1９", "1984–07–19",
    ]);
    case 2: return around(chance, usual);
    case 3: return inserted(chance, usual, chance.pick(["-", "0", " ", "a", "\u200e"]));
    case 4: return retyped(chance, usual);
    default: return usual;
  }
}

export function gender(chance) {
  const word = chance.pick(["F", "M", "O", "U"]);
  switch (chance.below(4)) {
    case 0: return chance.pick(["", "f", "m", "female", "FM", "X", `${word} `, ` ${word}`, "Ｆ"]);
    case 1: return retyped(chance, word);
    default: return word;
  }
}

export function state(chance) {
  const code = chance.pick(STATES);
  switch (chance.below(7)) {
    case 0: return chance.pick(["FM", "MH", "MP", "PW", "UM", "AA", "AE", "AP", "ZZ", "XX", "JM"]);
    case 1: return chance.pick(["", "O", "OHX", "Ohio", "O H", "ſc", "ſd", "Ｏ", "OＨ", "O\u200bH", "44"]);
    case 2: return around(chance, code);
    case 3: return chance.pick([code.toLowerCase(), code[0] + code[1].toLowerCase()]);
    case 4: return retyped(chance, code);
    default: return code;
  }
}

export function zip(chance) {
  const code = String(10001 + chance.below(89998));
  switch (chance.below(7)) {
    case 0: return chance.pick(PLACEHOLDERS);
    case 1: return chance.pick(["", "4540", "454022", "45402-1234", "45402 1234", "abcde", "４５４０２", "٤٥٤٠٢", "1234５"]);
    case 2: return chance.pick([`${code}-`, `OH ${code}`, `${code[0]} ${code.slice(1)}`, `z${code}`, `${code}\u200b`]);
    case 3: return around(chance, code);
    case 4: return chance.pick([Number(code), [code], 12345, 4540, -45402, 45402.5, null, true, {}, []]);
    default: return code;
  }
}

export const country = (chance) =>
  chance.pick(["USA", "USA", "USA", "USA", "US", "usa", " USA", "", "CAN", null, ["USA"], 1, {}]);

export function phone(chance) {
  const digits = String(2000000000 + chance.below(2000000000)).padEnd(10, "7");
  switch (chance.below(8)) {
    case 0: return chance.pick([`+1 ${digits}`, `1${digits}`, `(${digits.slice(0, 3)}) ${digits.slice(3)}`, `1${digits.slice(1)}`]);
    case 1: return chance.pick(["", " ", "555-0142", digits.slice(1), `${digits}1`, `2${digits}`, `+44 ${digits}`, `11${digits}`]);
    case 2: return chance.pick([`${digits} ext 5`, `${digits.slice(1)}٩`, `${digits.slice(1)}９`, "phone", "+1"]);
    case 3: return inserted(chance, digits, chance.pick([" ", "-", ".", "\u200b", "x", "5"]));
    case 4: return chance.pick([null, Number(digits), Number(digits.slice(1)), [digits], true, {}, []]);
    default: return digits;
  }
}
