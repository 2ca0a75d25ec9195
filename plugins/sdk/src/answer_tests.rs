//! Tests of the answer format.

use super::*;

const GOOD: &str = "Sure, here it is.\n\n<<<THINKING>>>\nI did it.\n<<<END_THINKING>>>\n\
    <<<FILE path=\"a/b.py\">>>\nx = 1\n<<<END_FILE>>>\nand\n\
    <<<DOCUMENT name=\"intent\" type=\"application/json\">>>\n{\"title\": \"T\"}\n<<<END_DOCUMENT>>>\n\
    <<<END_ANSWER>>>\nThat was all.\n";

fn file(content: &str) -> Result<String, AnswerError> {
    named("a.py", content)
}

fn named(path: &str, content: &str) -> Result<String, AnswerError> {
    let text = format!("<<<FILE path=\"{path}\">>>\n{content}<<<END_FILE>>>\n<<<END_ANSWER>>>");
    Answer::parse(&text).map(|answer| answer.files[0].content.clone())
}

#[test]
fn a_good_answer_is_read_with_prose_around_it() {
    let answer = Answer::parse(GOOD).unwrap();
    assert_eq!(answer.thinking, "I did it.");
    assert_eq!(answer.files, [File::new("a/b.py", "x = 1\n")]);
    let intent: serde_json::Value = answer.read("intent").unwrap();
    assert_eq!(intent["title"], "T");
    assert_eq!(answer.read::<u8>("contract").unwrap_err().code, "missing-document");
}

#[test]
fn carriage_returns_do_not_matter() {
    assert_eq!(Answer::parse(&GOOD.replace('\n', "\r\n")).unwrap(), Answer::parse(GOOD).unwrap());
}

#[test]
fn every_cut_is_noticed() {
    let end = GOOD.find(END_ANSWER).unwrap() + END_ANSWER.len();
    for cut in 1..end {
        let error = Answer::parse(&GOOD[..cut]).unwrap_err();
        assert!(matches!(error, AnswerError::Truncated { .. }), "cut at {cut}: {error}");
    }
    let inside = Answer::parse("<<<FILE path=\"a.py\">>>\nx =").unwrap_err();
    assert_eq!(inside.to_string(), "the answer was cut off: it ends inside file `a.py`");
    assert_eq!(Fault::from(inside).code, "truncated-answer");
}

#[test]
fn a_block_without_end_is_named() {
    for next in ["<<<FILE path=\"b.py\">>>", "<<<END_ANSWER>>>", "<<<END_DOCUMENT>>>"] {
        let text = format!("<<<FILE path=\"a.py\">>>\nx\n{next}\n<<<END_FILE>>>\n<<<END_ANSWER>>>");
        let block = "file `a.py`".to_owned();
        assert_eq!(Answer::parse(&text), Err(AnswerError::MissingEnd { block, line: 3 }));
    }
}

#[test]
fn nothing_is_an_error() {
    assert_eq!(Answer::parse(" \n\n"), Err(AnswerError::Empty));
    assert_eq!(Answer::parse("<<<END_ANSWER>>>"), Err(AnswerError::Empty));
    let only_thinking = "<<<THINKING>>>\nhm\n<<<END_THINKING>>>\n<<<END_ANSWER>>>";
    assert_eq!(Answer::parse(only_thinking), Err(AnswerError::Empty));
    assert_eq!(Answer::parse("I cannot do that."), Err(AnswerError::Truncated { inside: None }));
}

#[test]
fn wrong_markers_are_errors() {
    for marker in [
        "<<<FILE>>>",
        "<<<FILE path=a.py>>>",
        "<<<FILE path=\"\">>>",
        "<<<FILE path=\"a\" mode=\"x\">>>",
        "<<<DOCUMENT name=\"intent\">>>",
        "<<<PATCH path=\"a\">>>",
        "<<<END_FILE>>>",
    ] {
        let error = Answer::parse(&format!("{marker}\nx\n<<<END_ANSWER>>>")).unwrap_err();
        assert_eq!(error, AnswerError::Marker { marker: marker.to_owned(), line: 1 });
    }
}

#[test]
fn the_same_block_twice_is_an_error() {
    let block = "<<<FILE path=\"a\">>>\nx\n<<<END_FILE>>>\n";
    let error = Answer::parse(&format!("{block}{block}<<<END_ANSWER>>>")).unwrap_err();
    assert_eq!(error, AnswerError::Duplicate { block: "file `a`".to_owned(), line: 6 });
}

#[test]
fn a_document_that_is_not_json_is_an_error() {
    let error = Answer::parse(&GOOD.replace("\"T\"}", "\"T\"")).unwrap_err();
    assert_eq!(error.code(), "unreadable-document");
    assert!(
        Answer::parse(&GOOD.replace("application/json", "text/plain").replace("\"T\"}", "\"T\""))
            .is_ok()
    );
}

#[test]
fn content_ends_in_one_newline_and_keeps_the_rest() {
    assert_eq!(file("\n  x\n\n\n").unwrap(), "\n  x\n");
    assert_eq!(file("").unwrap(), "");
    assert_eq!(file("\n \n").unwrap(), "");
    assert_eq!(file("<<<<<<< HEAD\n<<<x>>>\n").unwrap(), "<<<<<<< HEAD\n<<<x>>>\n", "no markers");
}

#[test]
fn a_fence_around_the_content_is_taken_off() {
    assert_eq!(file("```python\nx = 1\n```\n").unwrap(), "x = 1\n");
    assert_eq!(file("\n```\nx = 1\n\n```\n\n").unwrap(), "x = 1\n");
    assert_eq!(file("```\n```\n").unwrap(), "");
    assert_eq!(file("x = '''\n```\n'''\n").unwrap(), "x = '''\n```\n'''\n", "inside is not around");
    let shell = "```sh\n./run.sh\n```\n";
    assert_eq!(named("README.md", shell).unwrap(), shell, "the fence is the content");
    assert_eq!(named("README.md", "```markdown\n# A\n```\n").unwrap(), "# A\n");
}

#[test]
fn what_is_rendered_is_read_back() {
    let answer = Answer {
        thinking: "Because.".to_owned(),
        files: vec![File::new("a.py", "x = 1\n"), File::new("b/__init__.py", "")],
        documents: vec![Document::json("intent", &serde_json::json!({"a": 1})).unwrap()],
    };
    assert_eq!(Answer::parse(&answer.render()).unwrap(), answer);
}

#[test]
fn the_instructions_show_what_the_parser_reads() {
    let text = instructions(&["verdict"], true).replace("the document as JSON", "{}");
    let answer = Answer::parse(&text).unwrap();
    assert_eq!((answer.files.len(), answer.documents[0].name.as_str()), (1, "verdict"));
}
