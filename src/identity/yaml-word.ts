/** `text` as YAML reads it back as text: quoted unless it is plainly a word. {@link https://yaml.org/spec/1.2.2/#733-plain-style} */
export function yamlWord(text: string): string {
  const isPlain = /^[A-Za-z_][\w./-]*$/.test(text) && !/^(?:true|false|yes|no|on|off|null|y|n)$/i.test(text);
  return isPlain ? text : JSON.stringify(text);
}
