/** The map within a map, made if it is not there: for keys of several parts, where a text made of them at each look would cost too much. */
export function within<Key, Inner, Value>(maps: Map<Key, Map<Inner, Value>>, key: Key): Map<Inner, Value> {
  let inner = maps.get(key)
  if (!inner) maps.set(key, (inner = new Map<Inner, Value>()))
  return inner
}

/** All that is in the inner maps, in the order in which it came. */
export function innerValues<Value>(maps: ReadonlyMap<unknown, ReadonlyMap<unknown, Value>>): Value[] {
  return [...maps.values()].flatMap((inner) => [...inner.values()])
}
