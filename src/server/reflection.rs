//! gRPC reflection, v1 and v1alpha.

use tonic::service::Routes;
use tonic_reflection::server::Builder;

use crate::grpc::DESCRIPTORS;

/// Adds both versions: older tools know only v1alpha.
pub(super) fn add(routes: Routes) -> Routes {
    let described = || {
        Builder::configure()
            .register_encoded_file_descriptor_set(DESCRIPTORS)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
    };
    let (v1, v1alpha) = (described().build_v1(), described().build_v1alpha());
    routes
        .add_service(v1.expect("the descriptors were made by our own build"))
        .add_service(v1alpha.expect("the descriptors were made by our own build"))
}
