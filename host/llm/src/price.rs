//! What models cost: a table that is data, and exact arithmetic on it.

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::{error::LlmError, provider::Provider};

/// The built-in table.
const BUILT_IN: &str = include_str!("../prices.toml");

const MILLION: Decimal = Decimal::from_parts(1_000_000, 0, 0, false, 0);

/// Above this a price is a slip of the pen, and sums could leave the range of exact decimals.
const HIGHEST_PRICE: Decimal = MILLION;

/// Price of some models, in US dollars per million tokens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Price {
    pub provider: Provider,
    /// Names; `*` stands for any characters.
    pub models: Vec<String>,
    pub input: Decimal,
    pub output: Decimal,
    /// The part of the prompt that the provider had cached; like `input` where not given.
    #[serde(default)]
    pub cached: Option<Decimal>,
    /// Other prices for long prompts.
    #[serde(default)]
    pub long: Option<LongPrice>,
    /// Whether the models take a sampling temperature.
    #[serde(default = "yes")]
    pub temperature: bool,
}

const fn yes() -> bool {
    true
}

/// Prices of a call whose prompt is long.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LongPrice {
    /// They apply once the prompt has more tokens than this.
    pub over: u64,
    pub input: Decimal,
    pub output: Decimal,
    #[serde(default)]
    pub cached: Option<Decimal>,
}

/// Tokens of one call.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tokens {
    /// The whole prompt, cached part included.
    pub input: u64,
    /// The part of `input` that was cached.
    pub cached: u64,
    pub output: u64,
}

impl Price {
    /// The price of what runs on the operator's own machine.
    pub(crate) fn free(provider: Provider) -> Self {
        Self {
            provider,
            models: vec!["*".to_owned()],
            input: Decimal::ZERO,
            output: Decimal::ZERO,
            cached: None,
            long: None,
            temperature: true,
        }
    }

    /// Exact cost of these tokens, in US dollars.
    pub fn cost(&self, tokens: Tokens) -> Decimal {
        let (input, output, cached) = match &self.long {
            Some(long) if tokens.input > long.over => (long.input, long.output, long.cached),
            _ => (self.input, self.output, self.cached),
        };
        let cached_tokens = tokens.cached.min(tokens.input);
        let cost = Decimal::from(tokens.input - cached_tokens) * input
            + Decimal::from(cached_tokens) * cached.unwrap_or(input)
            + Decimal::from(tokens.output) * output;
        (cost / MILLION).normalize()
    }

    fn matches(&self, provider: Provider, model: &str) -> bool {
        self.provider == provider && self.models.iter().any(|pattern| matches(pattern, model))
    }

    fn check(&self, zero_is_meant: bool) -> Result<(), LlmError> {
        let long = self.long.as_ref();
        let prices = [Some(self.input), Some(self.output), self.cached]
            .into_iter()
            .chain([
                long.map(|long| long.input),
                long.map(|long| long.output),
                long.and_then(|long| long.cached),
            ])
            .flatten();
        for price in prices {
            let too_low =
                if zero_is_meant { price < Decimal::ZERO } else { price <= Decimal::ZERO };
            if too_low || price > HIGHEST_PRICE {
                return Err(LlmError::InvalidSetting {
                    setting: format!("price of {} {}", self.provider, self.models.join(", ")),
                    detail: format!("{price} USD per million tokens is not a price"),
                });
            }
        }
        Ok(())
    }
}

/// Whether `text` is what `pattern` says, where `*` stands for any characters.
fn matches(pattern: &str, text: &str) -> bool {
    let Some((head, rest)) = pattern.split_once('*') else { return pattern == text };
    let Some(mut text) = text.strip_prefix(head) else { return false };
    let (middle, tail) = rest.rsplit_once('*').unwrap_or(("", rest));
    for piece in middle.split('*').filter(|piece| !piece.is_empty()) {
        let Some((_, after)) = text.split_once(piece) else { return false };
        text = after;
    }
    text.ends_with(tail)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    /// For people; the table does not age by itself.
    #[serde(rename = "as_of")]
    _as_of: Option<String>,
    #[serde(default)]
    price: Vec<Price>,
}

/// All known prices; the first match decides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PriceTable(Vec<Price>);

impl PriceTable {
    /// The operator's prices, then the built-in ones.
    pub fn new(operator: &[Price]) -> Result<Self, LlmError> {
        operator.iter().try_for_each(|price| price.check(true))?;
        let built_in = Self::parse(BUILT_IN)?;
        built_in.iter().try_for_each(|price| price.check(false))?;
        Ok(Self(operator.iter().cloned().chain(built_in).collect()))
    }

    /// Reads a document of `[[price]]` tables, the form of `prices.toml`.
    pub fn parse(text: &str) -> Result<Vec<Price>, LlmError> {
        toml::from_str::<Document>(text).map(|document| document.price).map_err(|error| {
            LlmError::InvalidSetting { setting: "prices".to_owned(), detail: error.to_string() }
        })
    }

    /// The price of a model. Unknown is an error, never zero.
    pub fn find(&self, provider: Provider, model: &str) -> Result<Price, LlmError> {
        let known = self.0.iter().find(|price| price.matches(provider, model));
        match known {
            Some(price) => Ok(price.clone()),
            None if provider.is_free() => Ok(Price::free(provider)),
            None => Err(LlmError::UnknownModelPrice {
                provider: provider.to_string(),
                model: model.to_owned(),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn usd(text: &str) -> Decimal {
        text.parse().unwrap()
    }

    fn cost(provider: Provider, model: &str, input: u64, output: u64) -> Decimal {
        let price = PriceTable::new(&[]).unwrap().find(provider, model).unwrap();
        price.cost(Tokens { input, cached: 0, output })
    }

    #[test]
    fn prices_are_exact() {
        // The estimate of a whole run in the original: 49,500 in, 56,000 out (domain-rules §2.6).
        assert_eq!(cost(Provider::Gemini, "gemini-3.5-flash-lite", 49_500, 56_000), usd("0.15485"));
        assert_eq!(cost(Provider::OpenAi, "gpt-4o-mini-2024-07-18", 1, 0), usd("0.00000015"));
        assert_eq!(
            cost(Provider::Anthropic, "claude-haiku-4-5-20251001", 1_000, 2_000),
            usd("0.011")
        );
    }

    #[test]
    fn a_snapshot_may_have_its_own_price() {
        assert_eq!(cost(Provider::OpenAi, "gpt-4o-2024-05-13", 1_000_000, 0), usd("5"));
        assert_eq!(cost(Provider::OpenAi, "gpt-4o-2024-08-06", 1_000_000, 0), usd("2.5"));
    }

    #[test]
    fn long_prompts_cost_more_and_cached_ones_less() {
        assert_eq!(cost(Provider::Gemini, "gemini-2.5-pro", 200_000, 1_000_000), usd("10.25"));
        assert_eq!(cost(Provider::Gemini, "gemini-2.5-pro", 200_001, 1_000_000), usd("15.5000025"));
        let price = PriceTable::new(&[]).unwrap().find(Provider::OpenAi, "gpt-4o").unwrap();
        let tokens = Tokens { input: 1_000_000, cached: 400_000, output: 0 };
        assert_eq!(price.cost(tokens), usd("2"), "0.6 × 2.50 + 0.4 × 1.25");
        let absurd = Tokens { input: 10, cached: u64::MAX, output: 0 };
        assert_eq!(price.cost(absurd), usd("0.0000125"), "never more cached than sent");
    }

    #[test]
    fn every_offered_model_has_a_price() {
        let table = PriceTable::new(&[]).unwrap();
        for provider in Provider::ALL {
            for model in provider.models() {
                let price = table.find(provider, model).unwrap();
                assert_eq!(price.output.is_zero(), provider.is_free(), "{provider} {model}");
            }
        }
    }

    #[test]
    fn an_unknown_model_is_an_error_unless_the_operator_says_a_price() {
        let table = PriceTable::new(&[]).unwrap();
        for (provider, model) in [
            (Provider::OpenAi, "gpt-4o-audio-preview"),
            (Provider::OpenAi, ""),
            (Provider::Gemini, "gpt-4o"),
            (Provider::OpenAiCompatible, "llama"),
        ] {
            let error = table.find(provider, model).unwrap_err();
            assert!(matches!(error, LlmError::UnknownModelPrice { .. }), "{provider} {model}");
        }
        let own = PriceTable::parse(
            "[[price]]\nprovider = \"openai-compatible\"\nmodels = [\"*\"]\ninput = \"0\"\noutput = \"0\"",
        )
        .unwrap();
        let table = PriceTable::new(&own).unwrap();
        assert_eq!(table.find(Provider::OpenAiCompatible, "llama").unwrap().output, Decimal::ZERO);
    }

    #[test]
    fn what_is_not_a_price_is_refused() {
        let entry = |input: &str| {
            PriceTable::parse(&format!(
                "[[price]]\nprovider = \"openai\"\nmodels = [\"x\"]\ninput = {input}\noutput = \"1\""
            ))
        };
        assert!(PriceTable::new(&entry("\"-1\"").unwrap()).is_err());
        assert!(PriceTable::new(&entry("\"1000001\"").unwrap()).is_err());
        assert!(entry("\"cheap\"").is_err());
        assert!(entry("\"0.1\"\nextra = 1").is_err());
    }

    #[test]
    fn a_star_stands_for_any_characters() {
        for (pattern, text, expected) in [
            ("a", "a", true),
            ("a", "ab", false),
            ("a*", "a", true),
            ("a*", "abc", true),
            ("*", "", true),
            ("a*c", "abc", true),
            ("a*c", "ac", true),
            ("a*c", "a", false),
            ("ab*b", "ab", false),
            ("*b*", "abc", true),
            ("*b*d*", "abcde", true),
            ("*d*b*", "abcde", false),
            ("a**c", "abc", true),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
        }
    }

    proptest! {
        #[test]
        fn cost_is_linear_and_never_negative(
            input in 0u64..5_000_000, output in 0u64..5_000_000, price_in in 0i64..100_000, price_out in 0i64..1_000_000,
        ) {
            let price = Price { input: Decimal::new(price_in, 3), output: Decimal::new(price_out, 3), ..Price::free(Provider::OpenAi) };
            let one = price.cost(Tokens { input, cached: 0, output });
            let two = price.cost(Tokens { input: input * 2, cached: 0, output: output * 2 });
            prop_assert_eq!(one + one, two, "no rounding");
            prop_assert!(one >= Decimal::ZERO);
            // The same in whole numbers: thousandths of a dollar per million tokens.
            let exact = i128::from(input) * i128::from(price_in) + i128::from(output) * i128::from(price_out);
            prop_assert_eq!(one, Decimal::from_i128_with_scale(exact, 9));
        }

        #[test]
        fn no_count_of_tokens_overflows(input: u64, cached: u64, output: u64) {
            let price = Price { input: HIGHEST_PRICE, output: HIGHEST_PRICE, ..Price::free(Provider::OpenAi) };
            let cost = price.cost(Tokens { input, cached, output });
            prop_assert!(cost >= Decimal::ZERO);
        }
    }
}
