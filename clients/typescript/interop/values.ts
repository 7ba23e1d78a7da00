// Values that JSON does not have, as tests/vectors/README.md writes them.

/** A JSON value, or what stands for one. */
export type Value = unknown;

export type Fields = Record<string, Value>;

export function isFields(value: Value): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Date);
}

/** Copies a map with its values changed, whatever its keys mean elsewhere. */
export function mapValues(fields: Fields, change: (value: Value, key: string) => Value): Fields {
  return Object.fromEntries(Object.entries(fields).map(([key, value]) => [key, change(value, key)]));
}

/** The value that is meant, at any depth. */
export function meant(value: Value): Value {
  if (Array.isArray(value)) {
    return value.map(meant);
  }
  if (!isFields(value)) {
    return value;
  }
  const [key = "", ...others] = Object.keys(value);
  const make = others.length === 0 && Object.hasOwn(special, key) ? special[key] : undefined;
  return make === undefined ? mapValues(value, meant) : make(value[key]);
}

const numbers: Readonly<Record<string, number>> = {
  nan: Number.NaN,
  inf: Number.POSITIVE_INFINITY,
  "-inf": Number.NEGATIVE_INFINITY,
  "-0": -0,
};

const special: Readonly<Record<string, (of: Value) => Value>> = {
  $now: (seconds) => new Date(Date.now() + Number(seconds) * 1000),
  $number: (name) => numbers[String(name)],
  $integer: (digits) => BigInt(String(digits)),
  $text: (of) => {
    const { repeat, times } = of as { repeat: string; times: number };
    return repeat.repeat(times);
  },
  $list: (of) => {
    const { repeat, times } = of as { repeat: Value; times: number };
    return Array.from({ length: times }, () => meant(repeat));
  },
  $map: (of) => {
    const { keys, value } = of as { keys: number; value: Value };
    return Object.fromEntries(
      Array.from({ length: keys }, (_, index) => [`k${String(index)}`, meant(value)]),
    );
  },
  $nest: (of) => {
    const { kind, levels, value } = of as { kind: "list" | "map"; levels: number; value: Value };
    let nested = meant(value);
    for (let level = 0; level < levels; level++) {
      nested = kind === "list" ? [nested] : { k: nested };
    }
    return nested;
  },
  $lone_surrogate: () => "half \ud83d",
  $symbol: () => () => "a function",
};
