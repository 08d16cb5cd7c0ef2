//! Whose token it is. Not through hf-hub 1.0.0, whose answer lacks what the token permits.

use reqwest::StatusCode;
use serde::Deserialize;

use crate::api::json::MAX_JSON;
use crate::error::ErrorKind;
use crate::http::address::redacted;
use crate::http::client::off_runtime;
use crate::http::retry::{Failure, Retries, Retry};
use crate::hub::Hub;
use crate::push::account::Account;

#[derive(Deserialize)]
struct WhoAmI {
    name: String,
    auth: Option<Auth>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Auth {
    access_token: Option<AccessToken>,
}

#[derive(Deserialize)]
struct AccessToken {
    role: Option<String>,
}

impl Hub {
    pub(crate) fn try_whoami(&self) -> Result<Account, ErrorKind> {
        let http = self.authenticated()?;
        let mut url = self.endpoint.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(["api", "whoami-v2"]);
        }
        let ask = || {
            let request = http.redirecting.get(url.clone());
            http.try_json::<WhoAmI>(&self.endpoint, request, MAX_JSON, |response| match response.status() {
                StatusCode::UNAUTHORIZED => ErrorKind::BadToken.into(),
                status => Failure {
                    kind: ErrorKind::Status { status: status.as_u16(), url: redacted(&url) },
                    retry: Retry::of_status(status, response.headers()),
                },
            })
        };
        let (answer, _) = off_runtime(|| Retries::new(&http.timeouts).run(ask))?;
        let role = answer.auth.and_then(|auth| auth.access_token?.role);
        Ok(Account { name: http.one_line(&answer.name), role: role.map(|role| http.one_line(&role)) })
    }
}
