//! What a replay reads beyond the journal of one try.

use gencode_core::id::ProjectId;

use crate::{JournalEntry, Result, Store, row::Row, sql::sql};

impl Store {
    /// The entries at a position of the journal in all tries of all runs of a project, newest run
    /// first.
    pub async fn journal_of_project(
        &self,
        project: &ProjectId,
        path: &str,
    ) -> Result<Vec<JournalEntry>> {
        let query = sql(
            "SELECT journal.run AS run, journal.step AS step, journal.attempt AS attempt, \
                         journal.path AS path, journal.digest AS digest, journal.call AS call, \
                         journal.reply AS reply, journal.checksum AS checksum \
                         FROM journal JOIN runs ON runs.id = journal.run \
                         WHERE runs.project = $1 AND journal.path = $2 \
                         ORDER BY runs.created_at DESC, runs.id DESC, journal.step, journal.attempt",
        );
        let rows = self.all(query.bind(project.to_string()).bind(path.to_owned())).await?;
        let entry = |row| {
            let row: &Row = row;
            self.journal_entry(row.parsed("run")?, &row.text("step")?, row.small("attempt")?, row)
        };
        rows.iter().map(entry).collect()
    }
}
