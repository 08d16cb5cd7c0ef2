//! Whose token it is.

use serde::Deserialize;

use crate::error::ErrorKind;
use crate::http::client::off_runtime;
use crate::hub::Hub;
use crate::push::account::Account;
use crate::push::call::ApiCall;

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
        let call = ApiCall::new(&self.endpoint, None, &["api", "whoami-v2"]);
        let answer: WhoAmI = off_runtime(|| http.send(&call, |url| http.redirecting.get(url)))?;
        let role = answer.auth.and_then(|auth| auth.access_token?.role);
        Ok(Account { name: http.one_line(&answer.name), role: role.map(|role| http.one_line(&role)) })
    }
}
