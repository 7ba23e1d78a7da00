//! The calls: each is a builder that `.await` sends.

pub(crate) mod claim;
pub(crate) mod create;
pub(crate) mod credentials;
pub(crate) mod end;
pub(crate) mod fresh_token;
pub(crate) mod read;
pub(crate) mod rotate;
pub(crate) mod update;

/// Lets a builder be awaited, and gives it what all calls have.
macro_rules! awaitable {
    ($call:ty => $answer:ty) => {
        crate::calls::settable!($call);

        impl IntoFuture for $call {
            type Output = Result<$answer, crate::error::Error>;
            type IntoFuture = std::pin::Pin<Box<dyn Future<Output = Self::Output> + Send>>;

            fn into_future(self) -> Self::IntoFuture {
                Box::pin(self.send())
            }
        }
    };
}

/// Gives a builder what may be said about any call, and a debug form that gives nothing away.
macro_rules! settable {
    ($call:ty) => {
        impl $call {
            /// How long this call may take with all its repetitions, instead of what the options say.
            pub fn timeout(mut self, timeout: std::time::Duration) -> Self {
                self.options.timeout = Some(timeout);
                self
            }

            /// Stands in every line that the service logs about this call.
            pub fn correlation_id(mut self, id: impl Into<String>) -> Self {
                self.options.beside.correlation_id = Some(id.into());
                self
            }
        }

        impl std::fmt::Debug for $call {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_struct(stringify!($call)).finish_non_exhaustive()
            }
        }
    };
}

pub(crate) use {awaitable, settable};

/// A new request id, with which a call may be repeated.
pub(crate) fn new_request_id() -> String {
    uuid::Uuid::new_v4().to_string()
}
