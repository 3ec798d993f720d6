// Ids of different things are different types: a device's id is no instance's. They are flavoured, not
// branded: any string may become an id, so that configuration, JSON and tests can write `'gpu0'`, but one
// kind of id is never taken for another.

declare const kind: unique symbol

/** `Id<'device'>`: a string that names a device. The property exists only for the compiler. */
export type Id<Kind extends string> = string & { readonly [kind]?: Kind }
