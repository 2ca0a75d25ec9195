/** A value out of a few, in the colour of its position among them. */
export function Badge({ value, options }: { value: string; options: readonly { value: string; label: string }[] }) {
  const position = options.findIndex((option) => option.value === value);
  return <span className={`badge badge-${(position < 0 ? 0 : position) % 6}`}>{options[position]?.label ?? value}</span>;
}

/** Yes or no. */
export function Flag({ value, yes, no }: { value: boolean; yes: string; no: string }) {
  return <span className={value ? "badge badge-yes" : "badge badge-no"}>{value ? yes : no}</span>;
}
