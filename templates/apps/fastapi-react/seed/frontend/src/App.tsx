import { EmptyState } from "./components/EmptyState";

export function App() {
  return <EmptyState title="Nothing here yet" hint="The pages of the application come here." />;
}
