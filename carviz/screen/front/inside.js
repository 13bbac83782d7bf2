// The same store, of which some sections are parts of another one: a set's classes, or what the pinned
// filter has, are shown by the panels that show those of the chosen filter.
export function inside(store, section, names) {
  return {
    get live() { return store.live; },
    has: (sort) => store.has(sort),
    get: (name) => (names.includes(name) ? store.get(section)[name] ?? {} : store.get(name)),
    send: (message) => store.send(message),
    picture: (key) => store.picture(key),
  };
}
