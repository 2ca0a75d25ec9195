//! The gateway: from a request to a paid answer.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use async_trait::async_trait;
use reqwest::{Client, Url, header::HeaderMap};
use rust_decimal::Decimal;
use serde_json::Value;
use tokio::{
    sync::{OnceCell, OwnedSemaphorePermit, Semaphore},
    time::{Instant, sleep, timeout_at},
};
use tracing::{Instrument as _, Span, field::Empty};

use crate::{
    built_in,
    config::{Endpoint, GatewayConfig, Limits, Secret},
    error::LlmError,
    http,
    price::{Price, PriceTable, Tokens},
    provider::{Provider, ProviderInfo},
    request::{Completion, CompletionRequest, Usage},
    retry::{self, Jitter},
    wire::{self, Call, Reading},
};

/// Time for a probe; it carries no work.
const PROBE_DEADLINE: Duration = Duration::from_secs(10);

/// What the providers' own framing of a message takes at most, in tokens.
const MESSAGE_TOKENS: usize = 16;

/// Something that answers model calls: the [`Gateway`], or a [`Recorder`](crate::Recorder).
#[async_trait]
pub trait LanguageModel: Send + Sync {
    /// What the call may cost at most at list price, in US dollars: a token for every three bytes
    /// of the prompt, some for each message, and the whole answer that is allowed. Real tokens are
    /// longer than that on average, so the sum is an upper bound for ordinary text.
    ///
    /// An empty `provider` or `model` means the configured default, here and in
    /// [`complete`](Self::complete).
    fn estimate_max_cost(
        &self,
        provider: &str,
        model: &str,
        request: &CompletionRequest,
    ) -> Result<Decimal, LlmError>;

    /// Makes the call, with retries, within the deadline of the provider. Dropping the future
    /// cancels it.
    async fn complete(
        &self,
        provider: &str,
        model: &str,
        request: &CompletionRequest,
    ) -> Result<Completion, LlmError>;
}

/// Calls providers.
#[derive(Debug)]
pub struct Gateway {
    config: GatewayConfig,
    prices: PriceTable,
    remotes: BTreeMap<Provider, Remote>,
    slots: BTreeMap<Provider, Arc<Semaphore>>,
    jitter: Jitter,
}

/// A provider that is reached over the network.
#[derive(Debug)]
struct Remote {
    base: Url,
    headers: HeaderMap,
    /// Made at the first call: without network providers no certificates are needed.
    client: OnceCell<Client>,
}

impl Gateway {
    /// Checks the settings. Nothing is contacted.
    pub fn new(config: GatewayConfig) -> Result<Self, LlmError> {
        let prices = PriceTable::new(&config.prices)?;
        let mut remotes = BTreeMap::new();
        let mut slots = BTreeMap::new();
        for provider in Provider::ALL {
            slots.insert(provider, Arc::new(Semaphore::new(config.limits.concurrency.max(1))));
            if let Some(remote) = Remote::new(provider, config.endpoint(provider))? {
                remotes.insert(provider, remote);
            }
        }
        Ok(Self { config, prices, remotes, slots, jitter: Jitter::default() })
    }

    /// Takes the jitter of waits from `jitter`.
    #[must_use]
    pub fn with_jitter(mut self, jitter: Jitter) -> Self {
        self.jitter = jitter;
        self
    }

    /// Provider and model that a call with these words goes to. Empty words mean the defaults;
    /// the default model is the chosen provider's own, never another's.
    pub fn resolve(&self, provider: &str, model: &str) -> Result<(Provider, String), LlmError> {
        let provider =
            if provider.is_empty() { self.config.default_provider } else { provider.parse()? };
        let model = if model.is_empty() { self.default_model(provider) } else { model };
        if model.is_empty() {
            return Err(LlmError::NotConfigured {
                provider: provider.to_string(),
                hint: "no model is chosen; name one".to_owned(),
            });
        }
        if model.len() > 200 || !model.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(LlmError::InvalidRequest {
                detail: format!(
                    "`{}` is not the name of a model",
                    crate::error::shorten(model, 60)
                ),
            });
        }
        Ok((provider, model.to_owned()))
    }

    /// List price of a model, per million tokens in US dollars. Unknown is an error, never zero.
    pub fn price(&self, provider: &str, model: &str) -> Result<Price, LlmError> {
        let (provider, model) = self.resolve(provider, model)?;
        self.prices.find(provider, &model)
    }

    /// All providers, in the order the front end shows them.
    pub fn providers(&self) -> Vec<ProviderInfo> {
        Provider::ALL.into_iter().map(|provider| self.info(provider)).collect()
    }

    /// Asks a provider which models it has: whether it is there and takes the key. Costs nothing.
    pub async fn probe(&self, provider: &str) -> Result<Vec<String>, LlmError> {
        let (provider, _) = self.resolve(provider, "-")?;
        if provider == Provider::Offline {
            return Ok(provider.models().iter().map(|model| (*model).to_owned()).collect());
        }
        let remote = self.remote(provider)?;
        let after = PROBE_DEADLINE.min(provider.deadline(&self.config.limits));
        let call = async {
            let client = remote.client(provider, &self.config.limits).await?;
            let request = client
                .get(wire::models_url(provider, &remote.base))
                .headers(remote.headers.clone());
            http::send(provider, request, self.config.limits.max_answer_bytes).await
        };
        let reply = timeout_at(Instant::now() + after, call)
            .await
            .map_err(|_| LlmError::Timeout { provider: provider.to_string(), after })??;
        if reply.status != 200 {
            return Err(wire::classify(provider, "-", &reply, self.key(provider)));
        }
        let body: Value = serde_json::from_slice(&reply.body).unwrap_or_default();
        wire::read_models(&body).ok_or_else(|| LlmError::BadAnswer {
            provider: provider.to_string(),
            detail: "no list of models".to_owned(),
            usage: None,
        })
    }

    fn default_model(&self, provider: Provider) -> &str {
        self.config
            .endpoint(provider)
            .and_then(|endpoint| endpoint.default_model.as_deref())
            .filter(|model| !model.is_empty())
            .unwrap_or_else(|| provider.default_model())
    }

    fn info(&self, provider: Provider) -> ProviderInfo {
        let default = self.default_model(provider);
        let own = self.config.endpoint(provider).map_or(&[][..], |endpoint| &endpoint.models);
        let mut models: Vec<String> = Vec::new();
        let offered = provider.models().iter().copied();
        for model in [default].into_iter().chain(own.iter().map(String::as_str)).chain(offered) {
            if !model.is_empty() && !models.iter().any(|known| known == model) {
                models.push(model.to_owned());
            }
        }
        let price = self.prices.find(provider, default).ok();
        ProviderInfo {
            id: provider.as_str(),
            name: provider.name(),
            models,
            requires_api_key: provider.requires_api_key(),
            configured: provider == Provider::Offline || self.remotes.contains_key(&provider),
            cost_per_1k: price.map(|price| (price.output / Decimal::ONE_THOUSAND).normalize()),
        }
    }

    fn remote(&self, provider: Provider) -> Result<&Remote, LlmError> {
        self.remotes.get(&provider).ok_or_else(|| LlmError::NotConfigured {
            provider: provider.to_string(),
            hint: provider.hint().to_owned(),
        })
    }

    fn key(&self, provider: Provider) -> Option<&str> {
        self.config.endpoint(provider)?.api_key.as_ref().map(Secret::expose)
    }

    /// Waits for a free place among the calls to this provider.
    async fn slot(&self, provider: Provider) -> Option<OwnedSemaphorePermit> {
        let slots = self.slots.get(&provider).cloned()?;
        // It is never closed; without a place the call would only be unbounded, not wrong.
        slots.acquire_owned().await.ok()
    }

    /// Tries until there is an answer, an error for the caller, or no time for another try.
    async fn call(
        &self,
        call: &Call<'_>,
        price: &Price,
        deadline: Instant,
    ) -> Result<Completion, LlmError> {
        let limits = &self.config.limits;
        let remote = self.remote(call.provider)?;
        let _slot = self.slot(call.provider).await;
        let client = remote.client(call.provider, limits).await?;
        let body = call.body().to_string();
        let mut tried = 0;
        loop {
            tried += 1;
            let mut request = client
                .post(call.url(&remote.base))
                .headers(remote.headers.clone())
                .header("content-type", "application/json")
                .body(body.clone());
            // The same on every try: a provider that did the work already need not do it again.
            if let Some(key) = &call.request.key {
                request = request.header("idempotency-key", key.as_str());
            }
            let error = match self.once(call, price, request).await {
                Ok(completion) => return Ok(completion),
                Err(error) => error,
            };
            let Some(wait) = retry::wait_before_next(&error, tried, limits, &self.jitter) else {
                return Err(error);
            };
            // What failed says more than a timeout would.
            if Instant::now() + wait >= deadline {
                return Err(error);
            }
            tracing::debug!(provider = %call.provider, model = call.model, tried, ?wait, %error, "trying again");
            sleep(wait).await;
        }
    }

    /// One try.
    async fn once(
        &self,
        call: &Call<'_>,
        price: &Price,
        request: reqwest::RequestBuilder,
    ) -> Result<Completion, LlmError> {
        let provider = call.provider;
        let reply = http::send(provider, request, self.config.limits.max_answer_bytes).await?;
        let key = self.key(provider);
        if !(200..300).contains(&reply.status) {
            return Err(wire::classify(provider, call.model, &reply, key));
        }
        let body: Value =
            serde_json::from_slice(&reply.body).map_err(|error| LlmError::BadAnswer {
                provider: provider.to_string(),
                detail: format!("not JSON: {error}"),
                usage: None,
            })?;
        if wire::is_error(&body) {
            return Err(wire::classify(provider, call.model, &reply, key));
        }
        let used = |tokens| usage(provider, call.model, price, tokens);
        match call.read(&body) {
            Reading::Answer { text, finish_reason, tokens } => {
                Ok(Completion { text, finish_reason, usage: used(tokens) })
            }
            Reading::Filtered { detail, tokens } => Err(LlmError::ContentFiltered {
                provider: provider.to_string(),
                detail,
                usage: tokens.map(|tokens| Box::new(used(tokens))),
            }),
            Reading::Bad { detail, tokens } => Err(LlmError::BadAnswer {
                provider: provider.to_string(),
                detail,
                usage: tokens.map(|tokens| Box::new(used(tokens))),
            }),
        }
    }
}

#[async_trait]
impl LanguageModel for Gateway {
    fn estimate_max_cost(
        &self,
        provider: &str,
        model: &str,
        request: &CompletionRequest,
    ) -> Result<Decimal, LlmError> {
        let (provider, model) = self.resolve(provider, model)?;
        let price = self.prices.find(provider, &model)?;
        let frame = request.messages.len().saturating_mul(MESSAGE_TOKENS);
        let input = request.prompt_bytes().div_ceil(3).saturating_add(frame);
        let input = u64::try_from(input).unwrap_or(u64::MAX);
        let output = u64::from(request.max_output_tokens);
        Ok(price.cost(Tokens { input, cached: 0, output }))
    }

    async fn complete(
        &self,
        provider: &str,
        model: &str,
        request: &CompletionRequest,
    ) -> Result<Completion, LlmError> {
        let (provider, model) = self.resolve(provider, model)?;
        request.check()?;
        // Before anything is paid: what has no price is not called.
        let price = self.prices.find(provider, &model)?;
        let after = provider.deadline(&self.config.limits);
        let deadline = Instant::now() + after;
        let answer = async {
            if provider == Provider::Offline {
                return built_in::complete(self.slot(provider).await, &model, request).await;
            }
            let call = Call { provider, model: &model, request, temperature: price.temperature };
            self.call(&call, &price, deadline).await
        };
        let span = span_of(provider, &model);
        let answer = timeout_at(deadline, answer)
            .instrument(span.clone())
            .await
            .unwrap_or_else(|_| Err(LlmError::Timeout { provider: provider.to_string(), after }));
        match &answer {
            Ok(completion) => {
                span.record("gen_ai.usage.input_tokens", completion.usage.input_tokens);
                span.record("gen_ai.usage.output_tokens", completion.usage.output_tokens);
            }
            Err(error) => {
                span.record("error.type", error.code());
                span.record("otel.status_code", "ERROR");
            }
        }
        answer
    }
}

impl Remote {
    /// The provider's address and key; none when it lacks what it needs.
    fn new(provider: Provider, endpoint: Option<&Endpoint>) -> Result<Option<Self>, LlmError> {
        let Some(endpoint) = endpoint else { return Ok(None) };
        let key = endpoint.api_key.as_ref().filter(|key| !key.is_empty());
        if provider.requires_api_key() && key.is_none() {
            return Ok(None);
        }
        let own = endpoint.base_url.as_deref().map(str::trim).filter(|url| !url.is_empty());
        let Some(address) = own.or_else(|| provider.default_base_url()) else { return Ok(None) };
        let invalid = |detail: &str| LlmError::InvalidSetting {
            setting: format!("base URL of {provider}"),
            detail: detail.to_owned(),
        };
        let base: Url = address.parse().map_err(|_| invalid("it is not a URL"))?;
        if !matches!(base.scheme(), "http" | "https") || base.host_str().is_none() {
            return Err(invalid("it does not start with http:// or https://"));
        }
        if base.query().is_some() || base.fragment().is_some() {
            return Err(invalid("it has a query or a fragment"));
        }
        if !base.username().is_empty() || base.password().is_some() {
            return Err(invalid("it has a user name or a password; give the key as the API key"));
        }
        if key.is_some() && base.scheme() == "http" && !http::is_loopback(&base) {
            tracing::warn!(%provider, "the API key travels unencrypted: the base URL starts with http://");
        }
        let headers = wire::headers(provider, key)?;
        Ok(Some(Self { base, headers, client: OnceCell::new() }))
    }

    async fn client(&self, provider: Provider, limits: &Limits) -> Result<&Client, LlmError> {
        self.client.get_or_try_init(async || http::client(provider, &self.base, limits)).await
    }
}

/// The span of one call with its retries, in the words of OpenTelemetry's conventions for
/// generative models. What was asked and answered is not in it.
fn span_of(provider: Provider, model: &str) -> Span {
    tracing::info_span!(
        "model call",
        otel.name = format!("chat {model}"),
        otel.kind = "client",
        gen_ai.operation.name = "chat",
        gen_ai.provider.name = %provider,
        gen_ai.request.model = model,
        gen_ai.usage.input_tokens = Empty,
        gen_ai.usage.output_tokens = Empty,
        error.type = Empty,
        otel.status_code = Empty,
    )
}

/// What a call cost.
pub(crate) fn usage(provider: Provider, model: &str, price: &Price, tokens: Tokens) -> Usage {
    Usage {
        provider: provider.to_string(),
        model: model.to_owned(),
        input_tokens: tokens.input,
        output_tokens: tokens.output,
        cost_usd: price.cost(tokens),
    }
}
