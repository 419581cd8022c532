// The verdict that the product must give on a body: each place that the published schema refuses, and each that the
// product refuses besides. The schema decides field by field. The list below holds every stricter rule, with its
// reason.

import { createRequire } from "node:module";

const { patientCreateSchema } = createRequire(import.meta.url)("@metriport/api-sdk");

export const STRICTER = {
  "unknown-field": "a field that is not sent to Metriport; silently dropping it would hide a misspelt name",
  "doubled-field": "two values of one field; parsers differ in the value that they use",
  "half-surrogate": "half a surrogate pair, which no text contains",
  "hidden-character": "a control, format, private or unassigned character, which is invisible or moves other characters",
  "too-long": "a text of more than 200 characters, too long for a name or a line of an address",
  "calendar-date": "a date that is not YYYY-MM-DD or not in the calendar; the schema moves it to the next month",
  "state-letters": "letters beyond ASCII that become ASCII in upper case",
  "zip-digits": "anything but five digits with white space around them; the schema drops all other characters",
  "text-expected": "a number instead of a text, because it loses leading zeros",
  "null-for-nothing": "null; leave the field out instead",
  "too-many": "more than ten addresses or contacts",
  "contact-needed": "Individual Access needs an e-mail address or a phone number",
  "email-quoted": "a quoted part before the @, which few mail systems take",
  "email-hidden": "an invisible or blank character, or one beyond the basic plane, in an address",
  "email-bytes": "more than 254 bytes (RFC 5321); the schema counts characters",
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

// The stricter rules for values that the schema accepts, by field.
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

// The product checks only this many addresses or contacts.
const ENTRIES_MAX = 10;
const NAME_CHARACTERS_MAX = 64;
const escaped = (name) => name.replaceAll("~", "~0").replaceAll("/", "~1");
const pick = (value, names) => Object.fromEntries(names.filter((name) => name in value).map((name) => [name, value[name]]));
const LINES = pick(address, ["addressLine1", "addressLine2", "city", "state", "zip", "country"]);
const WAYS = pick(contact, ["phone", "email"]);
const OWN = pick(person, ["firstName", "lastName", "dob", "genderAtBirth"]);

// The expected verdict on a body: `faults` by pointer, whether the schema accepts every field, and its verdict on each.
class Verdict {
  faults = new Map();
  schema = true;
  fields = [];

  add(pointer, reason) {
    if (!this.faults.has(pointer)) this.faults.set(pointer, reason);
    if (reason === SCHEMA) this.schema = false;
  }

  readField(name, pointer, type, value) {
    const taken = type.safeParse(value).success;
    this.fields.push([name, taken]);
    const reason = taken ? value !== undefined && stricter[name]?.(value) : SCHEMA;
    if (reason) this.add(pointer, reason);
  }

  readObject(pointer, types, value, lists = []) {
    for (const name of Object.keys(value).filter((name) => !(name in types) && !lists.includes(name))) {
      const long = [...name].length > NAME_CHARACTERS_MAX;
      this.add(long ? pointer : `${pointer}/${escaped(name)}`, "unknown-field");
    }
    for (const [name, type] of Object.entries(types)) this.readField(name, `${pointer}/${name}`, type, value[name]);
  }

  readContact(pointer, value) {
    this.readObject(pointer, WAYS, value);
    const given = Object.keys(WAYS).filter((name) => value[name] !== undefined);
    if (given.length === 0) this.add(pointer, SCHEMA);
    else if (given.every((name) => value[name] === null)) this.schema = false;
  }

  // One entry or a list of entries; `none` is the reason if there is no entry.
  readEntries(name, value, none, read) {
    const taken = person[name].safeParse(value).success;
    this.fields.push([name, taken]);
    const entries = (Array.isArray(value) ? value : [value]).map((entry, index) => [
      Array.isArray(value) ? `/${name}/${index}` : `/${name}`,
      entry,
    ]);
    if (value === undefined || entries.length === 0) return this.add(`/${name}`, none);
    if (entries.length > ENTRIES_MAX) {
      this.add(`/${name}`, "too-many");
      this.schema &&= taken;
    }
    for (const [pointer, entry] of entries.slice(0, ENTRIES_MAX)) {
      if (isObject(entry)) read(pointer, entry);
      else this.add(pointer, SCHEMA);
    }
  }
}

export function expect(body, doubled) {
  const verdict = new Verdict();
  if (!isObject(body)) {
    verdict.add("", SCHEMA);
    return verdict;
  }
  verdict.readObject("", OWN, body, ["address", "contact"]);
  verdict.readEntries("address", body.address, SCHEMA, (pointer, entry) => verdict.readObject(pointer, LINES, entry));
  verdict.readEntries("contact", body.contact, "contact-needed", (pointer, entry) => verdict.readContact(pointer, entry));
  for (const pointer of doubled) verdict.add(pointer, "doubled-field");
  return verdict;
}

export const takes = (body) => patientCreateSchema.safeParse(body);
