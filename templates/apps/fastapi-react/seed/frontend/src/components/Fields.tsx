import { type ReactNode, useId } from "react";

import { text } from "../text";

interface FieldProps<Value> {
  label: string;
  name: string;
  value: Value;
  error?: string;
  required?: boolean;
  hint?: string;
  onChange: (value: Value) => void;
}

interface Option {
  value: string | number;
  label: string;
}

interface FrameProps {
  id: string;
  label: string;
  error?: string;
  hint?: string;
  required?: boolean;
  wide?: boolean;
  children: ReactNode;
}

/** Ties label, hint and error to the input with this id. */
function Frame({ id, label, error, hint, required, wide, children }: FrameProps) {
  return (
    <div className={wide ? "field field-wide" : "field"}>
      <label htmlFor={id}>
        {label}
        {required ? (
          <span className="required-mark" aria-hidden="true">
            {" "}
            *
          </span>
        ) : null}
      </label>
      {children}
      {hint && !error ? (
        <p className="field-hint" id={`${id}-hint`}>
          {hint}
        </p>
      ) : null}
      {error ? (
        <p className="field-error" id={`${id}-error`} role="alert">
          {error}
        </p>
      ) : null}
    </div>
  );
}

function described(id: string, error?: string, hint?: string) {
  return {
    "aria-invalid": error ? true : undefined,
    "aria-describedby": error ? `${id}-error` : hint ? `${id}-hint` : undefined,
  };
}

type InputType = "text" | "email" | "url" | "tel" | "password" | "date" | "datetime-local" | "number";

interface TextFieldProps extends FieldProps<string> {
  type?: InputType;
  step?: string;
  min?: string;
  maxLength?: number;
  autoComplete?: string;
}

export function TextField({ type = "text", step, min, maxLength, autoComplete = "off", ...field }: TextFieldProps) {
  const id = useId();
  return (
    <Frame id={id} {...field}>
      <input
        id={id}
        className="input"
        name={field.name}
        type={type}
        step={step}
        min={min}
        maxLength={maxLength}
        autoComplete={autoComplete}
        required={field.required}
        value={field.value}
        onChange={(event) => field.onChange(event.target.value)}
        data-testid={`field-${field.name}`}
        {...described(id, field.error, field.hint)}
      />
    </Frame>
  );
}

export function TextAreaField({ maxLength, ...field }: FieldProps<string> & { maxLength?: number }) {
  const id = useId();
  return (
    <Frame id={id} wide {...field}>
      <textarea
        id={id}
        className="input"
        name={field.name}
        rows={4}
        maxLength={maxLength}
        required={field.required}
        value={field.value}
        onChange={(event) => field.onChange(event.target.value)}
        data-testid={`field-${field.name}`}
        {...described(id, field.error, field.hint)}
      />
    </Frame>
  );
}

export function CheckboxField(field: FieldProps<boolean>) {
  const id = useId();
  return (
    <div className="field field-checkbox">
      <input
        id={id}
        type="checkbox"
        name={field.name}
        checked={field.value}
        onChange={(event) => field.onChange(event.target.checked)}
        data-testid={`field-${field.name}`}
      />
      <label htmlFor={id}>{field.label}</label>
    </div>
  );
}

/** One out of a few; `empty` offers to choose nothing. */
export function SelectField({ options, empty, ...field }: FieldProps<string> & { options: readonly Option[]; empty?: boolean }) {
  const id = useId();
  return (
    <Frame id={id} {...field}>
      <select
        id={id}
        className="input"
        name={field.name}
        required={field.required}
        value={field.value}
        onChange={(event) => field.onChange(event.target.value)}
        data-testid={`field-${field.name}`}
        {...described(id, field.error, field.hint)}
      >
        {empty ? <option value="">{field.required ? text.choose : text.none}</option> : null}
        {options.map((option) => (
          <option key={option.value} value={option.value}>
            {option.label}
          </option>
        ))}
      </select>
    </Frame>
  );
}

/** Any number out of many, as a list of check boxes. */
export function MultiSelectField({ options, ...field }: FieldProps<number[]> & { options: readonly Option[] }) {
  const id = useId();
  const toggle = (value: number, chosen: boolean) =>
    field.onChange(chosen ? [...field.value, value] : field.value.filter((other) => other !== value));
  return (
    <fieldset className="field field-wide choices" data-testid={`field-${field.name}`}>
      <legend>{field.label}</legend>
      {options.length === 0 ? <p className="field-hint">{text.nothingYet}</p> : null}
      <div className="choice-list">
        {options.map((option) => (
          <label key={option.value} className="choice" htmlFor={`${id}-${option.value}`}>
            <input
              id={`${id}-${option.value}`}
              type="checkbox"
              name={field.name}
              checked={field.value.includes(Number(option.value))}
              onChange={(event) => toggle(Number(option.value), event.target.checked)}
            />
            {option.label}
          </label>
        ))}
      </div>
      {field.error ? (
        <p className="field-error" role="alert">
          {field.error}
        </p>
      ) : null}
    </fieldset>
  );
}
