import { type FormEvent, useState } from "react";

import { text } from "../text";

/** An error that knows which fields are wrong, such as the API's answer to a bad request. */
interface FieldError {
  fields: Record<string, string>;
}

function fieldsOf(failure: unknown): Record<string, string> {
  return typeof failure === "object" && failure !== null && "fields" in failure ? (failure as FieldError).fields : {};
}

interface FormOptions<Values> {
  initial: Values;
  /** Fields that must not be empty. */
  required: readonly (keyof Values & string)[];
  submit: (values: Values) => Promise<void>;
}

/** The state of a form: its values, what is wrong with them, and whether it is being sent. */
export function useForm<Values extends object>({ initial, required, submit }: FormOptions<Values>) {
  const [values, setValues] = useState(initial);
  const [errors, setErrors] = useState<Record<string, string>>({});
  const [failure, setFailure] = useState<string>();
  const [saving, setSaving] = useState(false);

  const field = <Name extends keyof Values & string>(name: Name) => ({
    name,
    value: values[name],
    error: errors[name],
    required: required.includes(name),
    onChange: (value: Values[Name]) => {
      setValues((before) => ({ ...before, [name]: value }));
      setErrors(({ [name]: _, ...rest }) => rest);
    },
  });

  const onSubmit = async (event: FormEvent) => {
    event.preventDefault();
    const empty = required.filter((name) => String(values[name]).trim() === "");
    setErrors(Object.fromEntries(empty.map((name) => [name, text.required])));
    setFailure(undefined);
    if (empty.length > 0) return;
    setSaving(true);
    try {
      await submit(values);
    } catch (error) {
      const fields = fieldsOf(error);
      setErrors(fields);
      const shown = Object.keys(fields).some((name) => name in values);
      if (!shown) setFailure(error instanceof Error ? error.message : String(error));
    } finally {
      setSaving(false);
    }
  };

  return { values, field, failure, saving, onSubmit };
}
