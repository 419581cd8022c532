// E-mail addresses: usual ones, and those that differ from a usual one in one respect.

import { HIDDEN } from "./values.mjs";

const ODD = [..." \"(),:;<>@[\\]!#$%&'*+-/=?^_`{|}~.", "é", "ß", "李", "©", "¡", "ｅ", "＠", "，", "𝒩", "👩", "\u00a0", "\u2003", "\u3000",
  "\ud7ff", "\uf900", "\ufdcf", "\ufdf0", "\uffef", "\uff01", "\uff5e", ...HIDDEN];
const LOCALS = ["nora", "n", "nora.quill", "n.q+x", "o'brien", "jösé", "李", "{a}|~", "a-b_c", "1"];
const HOSTS = ["example", "a-b", "mail.example", "bücher", "x1", "1", "xn--bcher-kva"];
const TOPS = ["test", "com", "рф", "museum", "xn--p1ai", "XN--P1AI", "Test"];

const inserted = (chance, text, more) => {
  const at = chance.below(text.length + 1);
  return text.slice(0, at) + more + text.slice(at);
};

const part = (chance, size) => chance.pick(["a", "é"]).repeat(size).slice(0, size);

export function email(chance) {
  let [local, host, top] = [chance.pick(LOCALS), chance.pick(HOSTS), chance.pick(TOPS)];
  const whole = () => `${local}@${host}.${top}`;
  switch (chance.below(16)) {
    case 0: local = inserted(chance, local, chance.pick(ODD)); return whole();
    case 1: host = inserted(chance, host, chance.pick(ODD)); return whole();
    case 2: top = inserted(chance, top, chance.pick(ODD)); return whole();
    case 3: local = part(chance, chance.pick([32, 33, 63, 64, 65])); return whole();
    case 4: host = part(chance, chance.pick([62, 63, 64])); return whole();
    case 5: host = `${part(chance, 60)}.${part(chance, 60)}.${part(chance, 60)}.${part(chance, chance.pick([3, 5, 20, 60]))}`; return whole();
    case 6: top = chance.pick(["t", "é", "te", "c0m", "c0m1", "te-st", "123", "1234", "1", "xn", "xn1", "xn1a", "xn--", "xné1", "Xn-1a", "©a", "a©", "-test", "test-", "", " test"]); return whole();
    case 7: return chance.pick(["mailto:", "+1", "++1", "+", "1", " ", ".", "https://", "Nora <"]) + whole();
    case 8: return whole() + chance.pick([" ", ".", ">", ",", "\n", "\u200b", "@", "/", "?subject=x", "@example.test"]);
    case 9: host = chance.pick(["", "-a", "a-", ".", "a.", ".a", "a..b", "a_b", "_", "[127.0.0.1]", "127.0.0", "ｗｉｄｅ", "a b", "-", "a@b"]); return whole();
    case 10: return chance.pick([`${local}@${top}`, `${local}.${host}.${top}`, `@${host}.${top}`, `${local}@`, "@", "", " ", `${local}@${host}.`, `${local}@127.0.0.1`]);
    case 11: local = `"${chance.pick(["nora quill", "nora", "", "a\\\"b", "a\"b", "a\\", "é", "a@b", "\x80"])}"`; return whole();
    case 12: return chance.pick([null, 5, true, [], {}, [whole()]]);
    case 13: local = chance.pick([".nora", "nora.", "no..ra", "no.ra.", "..", "."]); return whole();
    default: return whole();
  }
}
