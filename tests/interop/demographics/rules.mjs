// What the product must say of a body: each place that the published schema refuses, and each that the product refuses
// beyond it. The schema decides field by field; the list below is all that is stricter, and why.

import { createRequire } from "node:module";

const { patientCreateSchema } = createRequire(import.meta.url)("@metriport/api-sdk");

export const STRICTER = {
  "unknown-field": "a field that is not sent on; dropping it in silence would hide a misspelt one",
  "doubled-field": "two values of one field; readers differ in which of them they take",
  "half-surrogate": "half a surrogate pair is not in any text",
  "hidden-character": "a control, format, private or unassigned character, which people cannot see or which moves others",
  "too-long": "a text of more than 200 characters is no name and no line",
  "calendar-date": "a date that is not YYYY-MM-DD or not in the calendar, which the schema rolls over to the next month",
  "state-letters": "letters beyond ASCII that become ASCII in upper case",
  "zip-digits": "more than five digits with white space around them, of which the schema drops everything else",
  "text-expected": "a number where a text is due, as it loses leading zeros",
  "null-for-nothing": "null; the field is left out instead",
  "too-many": "more than ten addresses or contacts",
  "contact-needed": "Individual Access needs an e-mail address or a phone number",
  "email-quoted": "a quoted part before the @, which few mail systems take",
  "email-hidden": "an invisible or blank character, or one beyond the basic plane, in an address",
  "email-bytes": "more than 254 bytes (RFC 5321), of which the schema counts characters",
};

const person = patientCreateSchema.shape;
const address = person.address.options[1].shape;
const contact = person.contact.options[1].unwrap()._def.schema.shape;
const SCHEMA = "schema";

const hiddenCharacter = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Co}\p{Cn}]/u;
const trim = (text) => text.replace(/^[^\S\ufeff]+|[^\S\ufeff]+$/g, "");
const isObject = (value) => value !== null && typeof value === "object" && !Array.isArray(value);
const halfSurrogate = /[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/;

function textRules(value) {
  if (halfSurrogate.test(value)) return "half-surrogate";
  if (hiddenCharacter.test(trim(value))) return "hidden-character";
  if ([...trim(value)].length > 200) return "too-long";
}

function isCalendarDate(text) {
  const [, year, month, day] = /^(\d{4})-(\d{2})-(\d{2})$/.exec(text) ?? [];
  const date = new Date(Date.UTC(+year, +month - 1, +day));
  return date.getUTCFullYear() === +year && date.getUTCMonth() === +month - 1 && date.getUTCDate() === +day;
}

function emailRules(value) {
  if (value === null) return "null-for-nothing";
  if (value.startsWith('"')) return "email-quoted";
  if (hiddenCharacter.test(value) || /\s|[\u{10000}-\u{10ffff}]/u.test(value)) return "email-hidden";
  if (Buffer.byteLength(value) > 254) return "email-bytes";
}

// What is stricter about a value that the schema takes, by field.
const stricter = {
  firstName: textRules,
  lastName: textRules,
  dob: (value) => (isCalendarDate(trim(value)) ? undefined : "calendar-date"),
  addressLine1: textRules,
  addressLine2: textRules,
  city: textRules,
  state: (value) => (/^[A-Za-z]{2}$/.test(trim(value)) ? undefined : "state-letters"),
  zip: (value) => (typeof value !== "string" ? "text-expected" : /^\d{5}$/.test(trim(value)) ? undefined : "zip-digits"),
  phone: (value) => (value === null ? "null-for-nothing" : typeof value !== "string" ? "text-expected" : undefined),
  email: emailRules,
};

// The verdicts on a body: `faults` by pointer, `schema` whether the schema's fields take it, `fields` each field's.
export function expect(body, doubled) {
  const verdict = { faults: new Map(), schema: true, fields: [] };
  const fault = (pointer, reason, counted = true) => {
    if (counted && !verdict.faults.has(pointer)) verdict.faults.set(pointer, reason);
    if (reason === SCHEMA) verdict.schema = false;
  };
  const field = (name, pointer, type, value, counted) => {
    const taken = type.safeParse(value).success;
    verdict.fields.push([name.split(".").at(-1), taken]);
    const reason = taken ? value !== undefined && stricter[name]?.(value) : SCHEMA;
    if (reason) fault(pointer, reason, counted);
  };
  const object = (pointer, types, value, prefix, counted = true) => {
    for (const name of Object.keys(value).filter((name) => !(name in types))) {
      fault([...name].length > 64 ? pointer : `${pointer}/${name.replaceAll("~", "~0").replaceAll("/", "~1")}`, "unknown-field", counted);
    }
    for (const [name, type] of Object.entries(types)) field(name, `${pointer}/${name}`, type, value[name], counted);
  };
  const list = (name, read) => {
    const many = Array.isArray(body[name]);
    const items = many ? body[name] : body[name] === undefined ? [] : [body[name]];
    if (items.length > 10) fault(`/${name}`, "too-many");
    items.forEach((item, index) => {
      const pointer = many ? `/${name}/${index}` : `/${name}`;
      if (isObject(item)) read(pointer, item, index < 10);
      else fault(pointer, SCHEMA, index < 10);
    });
    verdict.fields.push([name, person[name].safeParse(body[name]).success]);
    return items.length > 0;
  };
  if (!isObject(body)) {
    fault("", SCHEMA);
    return verdict;
  }
  const known = ["firstName", "lastName", "dob", "genderAtBirth"];
  object("", Object.fromEntries(known.map((name) => [name, person[name]])), Object.fromEntries(Object.entries(body).filter(([name]) => name !== "address" && name !== "contact")), "");
  const { addressLine1, addressLine2, city, state, zip, country } = address;
  if (!list("address", (pointer, item, counted) => object(pointer, { addressLine1, addressLine2, city, state, zip, country }, item, "", counted))) fault("/address", SCHEMA);
  const contacts = list("contact", (pointer, item, counted) => {
    object(pointer, { phone: contact.phone, email: contact.email }, item, "", counted);
    const given = ["phone", "email"].filter((name) => item[name] !== undefined);
    if (given.length === 0) fault(pointer, SCHEMA, counted);
    else if (given.every((name) => item[name] === null)) verdict.schema = false;
  });
  if (!contacts) fault("/contact", "contact-needed");
  for (const pointer of doubled) fault(pointer, "doubled-field");
  return verdict;
}

export const takes = (body) => patientCreateSchema.safeParse(body);
