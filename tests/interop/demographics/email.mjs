// E-mail addresses: usual ones, and some that differ from a usual one in one respect.

import { HIDDEN } from "./values.mjs";

const ODD = [
  ..." \"(),:;<>@[\\]!#$%&'*+-/=?^_`{|}~.", "é", "ß", "李", "©", "¡", "ｅ", "＠", "，", "𝒩", "👩", "\u00a0", "\u2003",
  "\u3000", "\ud7ff", "\uf900", "\ufdcf", "\ufdf0", "\uffef", "\uff01", "\uff5e", ...HIDDEN,
];
const LOCALS = ["nora", "n", "nora.quill", "n.q+x", "o'brien", "jösé", "李", "{a}|~", "a-b_c", "1"];
const HOSTS = ["example", "a-b", "mail.example", "bücher", "x1", "1", "xn--bcher-kva"];
const TOPS = ["test", "com", "рф", "museum", "xn--p1ai", "XN--P1AI", "Test"];

const inserted = (chance, text, more) => {
  const at = chance.below(text.length + 1);
  return text.slice(0, at) + more + text.slice(at);
};

const part = (chance, size) => chance.pick(["a", "é"]).repeat(size).slice(0, size);

const ODD_TOPS = [
  "t", "é", "te", "c0m", "c0m1", "te-st", "123", "1234", "1", "xn", "xn1", "xn1a", "xn--", "xné1", "Xn-1a", "©a", "a©",
  "-test", "test-", "", " test",
];
const ODD_HOSTS = ["", "-a", "a-", ".", "a.", ".a", "a..b", "a_b", "_", "[127.0.0.1]", "127.0.0", "ｗｉｄｅ", "a b", "-", "a@b"];
const ODD_LOCALS = [".nora", "nora.", "no..ra", "no.ra.", "..", "."];
const QUOTED = ["nora quill", "nora", "", 'a\\"b', 'a"b', "a\\", "é", "a@b", "\x80"];
const BEFORE = ["mailto:", "+1", "++1", "+", "1", " ", ".", "https://", "Nora <"];
const BEHIND = [" ", ".", ">", ",", "\n", "\u200b", "@", "/", "?subject=x", "@example.test"];

export function email(chance) {
  const [local, host, top] = [chance.pick(LOCALS), chance.pick(HOSTS), chance.pick(TOPS)];
  const usual = `${local}@${host}.${top}`;
  const long = (...sizes) => sizes.map((size) => part(chance, size)).join(".");
  switch (chance.below(16)) {
    case 0: return `${inserted(chance, local, chance.pick(ODD))}@${host}.${top}`;
    case 1: return `${local}@${inserted(chance, host, chance.pick(ODD))}.${top}`;
    case 2: return `${local}@${host}.${inserted(chance, top, chance.pick(ODD))}`;
    case 3: return `${part(chance, chance.pick([32, 33, 63, 64, 65]))}@${host}.${top}`;
    case 4: return `${local}@${part(chance, chance.pick([62, 63, 64]))}.${top}`;
    case 5: return `${local}@${long(60, 60, 60, chance.pick([3, 5, 20, 60]))}.${top}`;
    case 6: return `${local}@${host}.${chance.pick(ODD_TOPS)}`;
    case 7: return chance.pick(BEFORE) + usual;
    case 8: return usual + chance.pick(BEHIND);
    case 9: return `${local}@${chance.pick(ODD_HOSTS)}.${top}`;
    case 10: return chance.pick([`${local}@${top}`, `${local}.${host}.${top}`, `@${host}.${top}`, `${local}@`, "@", "", " ", `${local}@${host}.`]);
    case 11: return `"${chance.pick(QUOTED)}"@${host}.${top}`;
    case 12: return chance.pick([null, 5, true, [], {}, [usual]]);
    case 13: return `${chance.pick(ODD_LOCALS)}@${host}.${top}`;
    default: return usual;
  }
}
