// Bodies of `PUT /v1/patient`: a usual body with some varied fields.

import { email } from "./email.mjs";
import { country, dob, gender, phone, state, text, zip } from "./values.mjs";

const ADDRESS = { addressLine1: text, addressLine2: text, city: text, state, zip, country };
const CONTACT = { phone, email };
const PERSON = { firstName: text, lastName: text, dob, genderAtBirth: gender };
const FIELDS = [
  ...Object.keys(PERSON),
  ...Object.keys(ADDRESS).map((name) => `address.${name}`),
  ...Object.keys(CONTACT).map((name) => `contact.${name}`),
  "address", "contact", "body",
];

const usualAddress = () => ({ addressLine1: "77 Birch Ln", city: "Dayton", state: "OH", zip: "45402" });
const usualContact = () => ({ phone: "9375550142", email: "nora.quill@example.test" });
const usual = () => ({
  firstName: "Nora", lastName: "Quill", dob: "1984-07-19", genderAtBirth: "F",
  address: [usualAddress()], contact: [usualContact()],
});

// The text of a body, and the fields that it has twice. Most bodies have one to three varied fields, and every field is
// varied equally often.
export function shape(number, chance, today) {
  const body = usual();
  const first = FIELDS[number % FIELDS.length];
  if (first === "body") return odd(body, chance);
  const more = Array.from({ length: chance.pick([0, 0, 1, 2]) }, () => chance.pick(FIELDS));
  for (const field of [first, ...more].filter((field) => field !== "body")) vary(body, field, chance, today);
  if (Array.isArray(body.address) && chance.oneIn(4)) body.address = body.address[0] ?? body.address;
  if (Array.isArray(body.contact) && chance.oneIn(4)) body.contact = body.contact[0] ?? body.contact;
  return { text: JSON.stringify(body), doubled: [] };
}

function vary(body, field, chance, today) {
  const [list, name] = field.split(".");
  if (name !== undefined) {
    const item = Array.isArray(body[list]) ? body[list].at(-1) : body[list];
    if (item === null || typeof item !== "object" || Array.isArray(item)) return;
    if (chance.oneIn(12)) delete item[name];
    else item[name] = { ...ADDRESS, ...CONTACT }[name](chance);
    if (list === "contact" && chance.oneIn(2)) delete item[name === "phone" ? "email" : "phone"];
  } else if (field === "address") varyList(body, field, usualAddress, chance);
  else if (field === "contact") varyList(body, field, usualContact, chance);
  else if (chance.oneIn(12)) delete body[field];
  else body[field] = PERSON[field](chance, today);
}

function varyList(body, list, one, chance) {
  const many = (length) => Array.from({ length }, one);
  const values = Object.values(one());
  body[list] = chance.pick([
    one(), many(1), many(2), many(10), many(11), many(12), [], {}, [{}], null, "x", 5, true, [null], [[]], ["x"],
    values, [values], [one(), values], [one(), null], [one(), {}], { ...one(), x: 1 }, [one(), { ...one(), "a/b~": 1 }],
  ]);
  if (chance.oneIn(10)) delete body[list];
}

// A body that is not an object with each field once.
function odd(body, chance) {
  const text = JSON.stringify(body);
  const put = (place, name, value) => text.replace(place, `${place}${JSON.stringify(name)}:${JSON.stringify(value)},`);
  const doubled = (place, pointer, name, value) => ({ text: put(place, name, value), doubled: [`${pointer}/${name}`] });
  const unknown = chance.pick([
    "ssn", "middleName", "FirstName", "firstName ", "a/b", "m~n", "", "é", "n".repeat(64), "n".repeat(65), "𝒩".repeat(64),
  ]);
  switch (chance.below(6)) {
    case 0: return { text: chance.pick(["[]", "null", "5", '"Nora"', "{}", "[{}]", `[${text}]`, JSON.stringify(Object.values(body))]), doubled: [] };
    case 1: return doubled("{", "", chance.pick(Object.keys(body)), chance.pick(["", null, "Nora", "1984-07-19", "F"]));
    case 2: return doubled('"address":[{', "/address/0", chance.pick(["state", "zip", "city"]), chance.pick(["OH", "45402", null]));
    case 3: return doubled('"contact":[{', "/contact/0", chance.pick(["phone", "email"]), chance.pick(["9375550142", "a@b.example", ""]));
    case 4: return { text: put(chance.pick(["{", '"address":[{', '"contact":[{']), unknown, chance.pick(["x", null, {}, []])), doubled: [] };
    default: return { text: text.replace("Nora", chance.pick(["\\ud800", "\\udc00x", "\\ud800\\ud800"])), doubled: [] };
  }
}
