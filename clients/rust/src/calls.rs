//! The calls: each is a builder that `.await` sends.

pub(crate) mod claim;
pub(crate) mod create;
pub(crate) mod end;
pub(crate) mod read;
pub(crate) mod rotate;
pub(crate) mod update;

/// Lets a builder be awaited, and gives it the timeout that all calls have.
macro_rules! awaitable {
    ($call:ty => $answer:ty) => {
        impl $call {
            /// How long this call may take with all its repetitions, instead of what the options say.
            pub fn timeout(mut self, timeout: std::time::Duration) -> Self {
                self.timeout = Some(timeout);
                self
            }
        }

        impl IntoFuture for $call {
            type Output = Result<$answer, crate::error::Error>;
            type IntoFuture = std::pin::Pin<Box<dyn Future<Output = Self::Output> + Send>>;

            fn into_future(self) -> Self::IntoFuture {
                Box::pin(self.send())
            }
        }
    };
}

pub(crate) use awaitable;

/// A new request id, with which a call may be repeated.
pub(crate) fn new_request_id() -> String {
    uuid::Uuid::new_v4().to_string()
}
