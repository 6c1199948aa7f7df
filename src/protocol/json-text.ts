// JSON text. Owns the one way in which text from outside becomes a value: nothing is known of what it holds until a decoder has looked at it.

/** What the text says as JSON; undefined where it is none. */
export function valueOfJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
