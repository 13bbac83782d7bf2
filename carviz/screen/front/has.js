// Whether one of some sections has changed; null stands for all.
export const has = (changed, ...names) => !changed || names.some((name) => changed.has(name));
