// Objects that do not give themselves away in a log.

const inspect = Symbol.for("nodejs.util.inspect.custom");

/** Lets `console.log` and `util.inspect` show only these of the object's fields; all are there all the same. */
export function discreet<Kind extends object>(object: Kind, shown: readonly (keyof Kind)[]): Kind {
  const value = () =>
    Object.fromEntries([...shown.map((key) => [key, object[key]]), ["…", "not shown"]]) as object;
  return Object.defineProperty(object, inspect, { value, configurable: true });
}
