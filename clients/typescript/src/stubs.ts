// The generated stubs, for what this client does not cover. Prefer the client.

export * from "./gen/tenure/v1/credential_service_pb.js";
export * from "./gen/tenure/v1/session_pb.js";
export * from "./gen/tenure/v1/session_service_pb.js";
