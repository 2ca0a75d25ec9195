//! From characters to tokens.

use super::lexicon::lexicon;

/// More than this is not read; a note says so.
pub(super) const MAX_CHARS: usize = 20_000;
/// Longer "words" are noise.
const MAX_WORD: usize = 48;

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mark {
    Word,
    Comma,
    Slash,
    Colon,
    Open,
    Close,
    /// End of a sentence or of a line.
    Stop,
}

/// A word or a mark.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) mark: Mark,
    /// As written.
    pub(super) surface: String,
    /// Lower case, and English after translation; `_` joins fixed expressions.
    pub(super) lower: String,
    /// `'s` was cut off.
    pub(super) possessive: bool,
    pub(super) quoted: bool,
    /// Set by translation: this is a noun (with its number).
    pub(super) noun: Option<Number>,
    /// Set by translation: this is a verb.
    pub(super) verb: bool,
    /// Values given for this attribute ("status (open, closed)").
    pub(super) values: Vec<String>,
    /// Type given for this attribute ("price as decimal").
    pub(super) kind: Option<super::super::model::FieldKind>,
    pub(super) flags: Flags,
}

/// Grammatical number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Number {
    Singular,
    Plural,
}

/// What was said about an attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Flags {
    pub(super) required: bool,
    pub(super) optional: bool,
    pub(super) unique: bool,
}

impl Token {
    pub(super) fn new(mark: Mark, surface: &str) -> Self {
        Self {
            mark,
            surface: surface.to_owned(),
            lower: surface.to_lowercase(),
            possessive: false,
            quoted: false,
            noun: None,
            verb: false,
            values: Vec::new(),
            kind: None,
            flags: Flags::default(),
        }
    }

    pub(super) fn is(&self, word: &str) -> bool {
        self.mark == Mark::Word && self.lower == word
    }

    pub(super) fn is_one_of(&self, words: &[&str]) -> bool {
        self.mark == Mark::Word && words.contains(&self.lower.as_str())
    }
}

/// Cuts the request into tokens. `english` switches on what only English has (`'s`, split hyphens).
pub(super) fn tokenise(request: &str, english: bool) -> Vec<Token> {
    let mut tokens: Vec<Token> = Vec::new();
    let mut word = String::new();
    let mut quoted = false;
    let mut chars = request.chars().take(MAX_CHARS).peekable();
    let mut previous = ' ';
    while let Some(c) = chars.next() {
        let next = chars.peek().copied().unwrap_or(' ');
        let inside = previous.is_alphanumeric() && next.is_alphanumeric();
        if c.is_alphanumeric()
            || is_mark_of_letter(c)
            || matches!(c, '_')
            || (inside && matches!(c, '\'' | '’' | '.' | '-' | '‐' | '‑'))
        {
            word.push(if matches!(c, '’') { '\'' } else { c });
            previous = c;
            continue;
        }
        if c == '\'' || c == '’' {
            // A trailing apostrophe: possessive of a plural.
            if previous == 's' && !word.is_empty() {
                word.push('\'');
            }
            previous = c;
            continue;
        }
        push_word(&mut tokens, &mut word, quoted, english);
        let at_line_start = tokens.last().is_none_or(|token| token.mark == Mark::Stop);
        match c {
            '"' | '“' | '”' | '«' | '»' | '„' | '`' => quoted = !quoted,
            '\n' | '!' | '?' | ';' | '。' | '！' | '？' | '؟' | '؛' => {
                if c == '\n' {
                    quoted = false;
                }
                push_mark(&mut tokens, Mark::Stop, c);
            }
            '.' if !tokens
                .last()
                .is_some_and(|token| token.is_one_of(&["e.g", "i.e", "etc", "e", "g", "i"])) =>
            {
                push_mark(&mut tokens, Mark::Stop, c);
            }
            ',' | '、' | '，' | '،' => push_mark(&mut tokens, Mark::Comma, c),
            '/' | '|' => push_mark(&mut tokens, Mark::Slash, c),
            ':' | '：' | '–' | '—' if !at_line_start => push_mark(&mut tokens, Mark::Colon, c),
            '-' if !at_line_start && previous == ' ' && next == ' ' => {
                push_mark(&mut tokens, Mark::Colon, c);
            }
            '(' | '[' | '{' | '（' => tokens.push(Token::new(Mark::Open, "(")),
            ')' | ']' | '}' | '）' => tokens.push(Token::new(Mark::Close, ")")),
            '&' | '+' if !at_line_start => tokens.push(Token::new(Mark::Word, "and")),
            _ => {}
        }
        previous = c;
    }
    push_word(&mut tokens, &mut word, quoted, english);
    join_pairs(tokens)
}

/// Two words that are one to us.
fn join_pairs(tokens: Vec<Token>) -> Vec<Token> {
    const PAIRS: &[(&str, &str, &str)] = &[
        ("help", "desk", "helpdesk"),
        ("to", "do", "todo"),
        ("to", "dos", "todos"),
        ("e", "commerce", "ecommerce"),
        ("web", "shop", "webshop"),
    ];
    let mut out: Vec<Token> = Vec::with_capacity(tokens.len());
    for token in tokens {
        let pair = out.last().filter(|last| last.mark == Mark::Word).and_then(|last| {
            PAIRS.iter().find(|(first, second, _)| last.lower == *first && token.lower == *second)
        });
        match (pair, out.last_mut()) {
            (Some((first, _, whole)), Some(last))
                if !(*first == "to" && token.lower == "do") || out_is_start(last) =>
            {
                last.surface = format!("{} {}", last.surface, token.surface);
                (*whole).clone_into(&mut last.lower);
            }
            _ => out.push(token),
        }
    }
    out
}

/// "To do" at the start is the list; "to do" inside a sentence is a verb.
fn out_is_start(last: &Token) -> bool {
    last.surface.chars().next().is_some_and(char::is_uppercase)
}

/// Vowel signs and accents that follow their letter.
fn is_mark_of_letter(c: char) -> bool {
    matches!(u32::from(c), 0x0300..=0x036F | 0x0900..=0x097F | 0x0E31..=0x0E4E | 0x0591..=0x05C7 | 0x064B..=0x0652)
}

fn push_mark(tokens: &mut Vec<Token>, mark: Mark, c: char) {
    let repeated = tokens.last().is_some_and(|token| token.mark == mark);
    if !repeated {
        tokens.push(Token::new(mark, c.to_string().as_str()));
    }
}

fn push_word(tokens: &mut Vec<Token>, word: &mut String, quoted: bool, english: bool) {
    let whole = std::mem::take(word);
    let whole = whole.trim_matches(['.', '-', '_']);
    if whole.trim_matches('\'').is_empty() || whole.chars().all(|c| c.is_ascii_digit() || c == '.')
    {
        return;
    }
    let mut text: String = whole.chars().take(MAX_WORD).collect();
    let mut possessive = false;
    if english {
        for suffix in ["'s", "'S", "'"] {
            if let Some(stem) = text.strip_suffix(suffix) {
                possessive = !matches!(
                    stem.to_lowercase().as_str(),
                    "let" | "it" | "that" | "here" | "there" | "what" | "who" | "he" | "she"
                );
                text = stem.to_owned();
                break;
            }
        }
    }
    let first = tokens.len();
    for piece in pieces(&text, english) {
        let mut token = Token::new(Mark::Word, &piece);
        if let Some(plain) = joined(&token.lower) {
            plain.clone_into(&mut token.lower);
        }
        if token.surface == "IT" {
            "information_technology".clone_into(&mut token.lower);
        }
        token.quoted = quoted;
        tokens.push(token);
    }
    if possessive
        && tokens.len() > first
        && let Some(last) = tokens.last_mut()
    {
        last.possessive = true;
    }
}

/// Spellings that are one word to us.
fn joined(lower: &str) -> Option<&'static str> {
    Some(match lower {
        "e-mail" => "email",
        "e-mails" => "emails",
        "to-do" | "to-dos'" => "todo",
        "to-dos" => "todos",
        "log-in" => "login",
        "sign-up" => "signup",
        "sign-in" => "signin",
        "e-commerce" => "ecommerce",
        "e-shop" | "web-shop" => "webshop",
        "web-app" | "webapp" => "webapp",
        "sub-task" => "subtask",
        "sub-tasks" => "subtasks",
        "real-time" => "realtime",
        "many-to-many" => "many_to_many",
        "one-to-many" => "one_to_many",
        "and/or" => "and",
        _ => return None,
    })
}

/// `due_date`, `LineItem` and `follow-up` are several words.
fn pieces(text: &str, english: bool) -> Vec<String> {
    const ONE_WORD: &[&str] = &[
        "github",
        "gitlab",
        "postgresql",
        "fastapi",
        "javascript",
        "typescript",
        "youtube",
        "linkedin",
        "whatsapp",
        "paypal",
        "mysql",
        "sqlite",
        "iphone",
        "ios",
        "ipad",
        "graphql",
        "mongodb",
        "nodejs",
        "nextjs",
        "webrtc",
        "openai",
        "wordpress",
        "macos",
    ];
    let lower = text.to_lowercase();
    if ONE_WORD.contains(&lower.as_str()) {
        return vec![text.to_owned()];
    }
    let lexicon = lexicon();
    let keep_hyphen = !english
        || joined(&lower).is_some()
        || ["adjective", "org", "app", "meta", "stop"]
            .iter()
            .any(|class| lexicon.is(class, &lower));
    let mut out = Vec::new();
    for part in text.split(|c| c == '_' || (c == '-' && !keep_hyphen)) {
        let mut current = String::new();
        let mut previous_lower = false;
        for c in part.chars() {
            if previous_lower && c.is_uppercase() && part.is_ascii() {
                out.push(std::mem::take(&mut current));
            }
            previous_lower = c.is_lowercase();
            current.push(c);
        }
        if !current.is_empty() {
            out.push(current);
        }
    }
    out.retain(|piece| !piece.is_empty());
    out
}
