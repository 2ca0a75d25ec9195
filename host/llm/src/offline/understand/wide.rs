//! Requests in languages whose words are not known here: what is listed is recorded, under transliterated names.

use super::facts::{Facts, Strength};
use super::naming;
use super::text::{Mark, Token};

const MAX_THINGS: usize = 6;
/// Words that join or lead, in Russian, Ukrainian, Arabic, Hebrew, Greek, Hindi, Korean.
const SMALL: &[&str] = &[
    "и",
    "с",
    "со",
    "для",
    "на",
    "в",
    "по",
    "от",
    "или",
    "а",
    "та",
    "і",
    "й",
    "з",
    "із",
    "зі",
    "от",
    "что",
    "бы",
    "до",
    "و",
    "مع",
    "من",
    "في",
    "على",
    "أو",
    "عם",
    "עם",
    "של",
    "או",
    "και",
    "με",
    "για",
    "του",
    "της",
    "των",
    "ή",
    "और",
    "के",
    "की",
    "का",
    "में",
    "लिए",
    "साथ",
    "및",
    "와",
    "과",
    "위한",
];
/// Words that say that it is an application that is wanted.
const WANTED: &[&str] = &[
    "приложение",
    "сайт",
    "система",
    "создай",
    "сделай",
    "создать",
    "сделать",
    "нужно",
    "учета",
    "учёта",
    "управления",
    "программа",
    "застосунок",
    "створи",
    "додаток",
    "تطبيق",
    "أنشئ",
    "نظام",
    "لإدارة",
    "إدارة",
    "אפליקציה",
    "צור",
    "לניהול",
    "εφαρμογή",
    "ऐप",
    "बनाओ",
    "앱",
    "관리",
    "시스템",
    "만들어줘",
];
/// Where a run of Chinese or Japanese ends its first noun.
const BREAKS: &[char] = &[
    'を', 'が', 'は', 'で', 'に', 'の', 'へ', '的', '和', '及', '与', '或', 'と', 'や', '、', '管',
    '理', '系', '应', '應', '用',
];

/// Facts from lists: the words between separators.
pub(super) fn facts(tokens: &[Token], tag: &str) -> Facts {
    let mut things: Vec<String> = Vec::new();
    let joined = matches!(tag, "ja" | "zh");
    let mut separated: Vec<(Vec<&str>, bool)> = vec![(Vec::new(), false)];
    for token in tokens {
        let small = token.mark == Mark::Word && SMALL.contains(&token.lower.as_str());
        if token.mark != Mark::Word || small {
            separated.push((Vec::new(), token.mark != Mark::Stop));
        } else if !WANTED.contains(&token.lower.as_str())
            && let Some((words, _)) = separated.last_mut()
        {
            words.push(&token.surface);
        }
    }
    for (words, _) in &separated {
        if joined {
            for word in words {
                things.extend(
                    word.split(BREAKS)
                        .map(str::trim)
                        .filter(|part| {
                            (2..=8).contains(&part.chars().count())
                                && ![
                                    "アプリ",
                                    "システム",
                                    "する",
                                    "应用",
                                    "系统",
                                    "创建",
                                    "建",
                                    "作",
                                ]
                                .iter()
                                .any(|wanted| part.contains(wanted))
                        })
                        .map(str::to_owned),
                );
            }
        } else if let Some(last) = words.last() {
            things.push((*last).to_owned());
        }
    }
    let mut facts = Facts::default();
    for thing in things {
        let key = naming::snake(&thing);
        if key.len() > 1 && facts.mentions.len() < MAX_THINGS {
            facts.mention(&key, &thing, false, Strength::Strong);
        }
    }
    facts
}
