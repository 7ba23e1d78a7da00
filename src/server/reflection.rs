//! gRPC reflection, v1 and v1alpha.

use std::sync::Arc;

use tonic::service::Routes;
use tonic_reflection::server::Builder;

use crate::callers::Authenticator;
use crate::grpc::{DESCRIPTORS, KnownCallers};

/// Adds both versions: older tools know only v1alpha. It serves whoever may call at all.
pub(super) fn add(routes: Routes, authenticator: &Arc<Authenticator>) -> Routes {
    let described = || {
        Builder::configure()
            .register_encoded_file_descriptor_set(DESCRIPTORS)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
    };
    let (v1, v1alpha) = (described().build_v1(), described().build_v1alpha());
    let v1 = v1.expect("the descriptors were made by our own build");
    let v1alpha = v1alpha.expect("the descriptors were made by our own build");
    routes
        .add_service(KnownCallers::before(v1, Arc::clone(authenticator)))
        .add_service(KnownCallers::before(v1alpha, Arc::clone(authenticator)))
}
