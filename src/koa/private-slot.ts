// A value on somebody else's object that nobody else can find, read or replace: a private field, put there from outside.
// It is what a WeakMap is for, without what one entry a request costs the collector.

/** Values of one kind, one for each object. */
export interface PrivateSlot<T> {
  get(object: object): T | undefined
  set(object: object, value: T | undefined): void
}

/** Makes a slot that all objects have, empty at first. */
export function createPrivateSlot<T>(): PrivateSlot<T> {
  class Slot extends Given {
    #value: T | undefined

    static get(object: object): T | undefined {
      return #value in object ? object.#value : undefined
    }

    static set(object: object, value: T | undefined): void {
      const slot = #value in object ? object : new Slot(object)
      slot.#value = value
    }
  }
  return Slot
}

// The fields of a class are put on what its parent's constructor returns.
// oxlint-disable-next-line typescript/no-extraneous-class -- nothing else has a constructor
class Given {
  constructor(object: object) {
    // oxlint-disable-next-line no-constructor-return -- that is the point
    return object
  }
}
