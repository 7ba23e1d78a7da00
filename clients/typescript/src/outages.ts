// What can be wrong with the service itself.

import { TenureError } from "./errors.js";

/** The service has too much to do right now. */
export class OverloadedError extends TenureError {
  static {
    this.prototype.name = "OverloadedError";
  }
}

/** The store holds as much as it may. */
export class StoreFullError extends TenureError {
  static {
    this.prototype.name = "StoreFullError";
  }
}

/** The service, or what it needs, is away for now. The client has repeated what may be repeated. */
export class UnavailableError extends TenureError {
  static {
    this.prototype.name = "UnavailableError";
  }
}

/** The service's store does not answer. */
export class StoreUnavailableError extends UnavailableError {
  static {
    this.prototype.name = "StoreUnavailableError";
  }
}

/** The store's settings could lose sessions silently: the service does not use it. */
export class StoreUnsafeError extends UnavailableError {
  static {
    this.prototype.name = "StoreUnsafeError";
  }
}

/** The clocks of the service and of its store are apart. */
export class ClockSkewError extends UnavailableError {
  static {
    this.prototype.name = "ClockSkewError";
  }
}

/** The ending is in force, but would not survive a failover yet: repeat it. */
export class InvalidationNotDurableError extends UnavailableError {
  static {
    this.prototype.name = "InvalidationNotDurableError";
  }
}

/** This instance of the service does not have the key that is needed. */
export class KeyUnavailableError extends UnavailableError {
  static {
    this.prototype.name = "KeyUnavailableError";
  }
}

/** What happens in this namespace must be recorded, and cannot be now. */
export class AuditUnavailableError extends UnavailableError {
  static {
    this.prototype.name = "AuditUnavailableError";
  }
}

/** This instance of the service is going down. */
export class ShuttingDownError extends UnavailableError {
  static {
    this.prototype.name = "ShuttingDownError";
  }
}

/** The service has no key to encrypt credentials with. */
export class EncryptionNotConfiguredError extends TenureError {
  static {
    this.prototype.name = "EncryptionNotConfiguredError";
  }
}

/** The service cannot read its keys. */
export class KeysAtFaultError extends TenureError {
  static {
    this.prototype.name = "KeysAtFaultError";
  }
}

/** What is asked for is done only where it is recorded, and the service has no audit. */
export class AuditNotConfiguredError extends TenureError {
  static {
    this.prototype.name = "AuditNotConfiguredError";
  }
}

/** The log of the service's process is not its own to change. */
export class LogNotOwnedError extends TenureError {
  static {
    this.prototype.name = "LogNotOwnedError";
  }
}

/** What is kept does not open: its tenant's key was destroyed, or somebody has changed it. */
export class DataUnreadableError extends TenureError {
  static {
    this.prototype.name = "DataUnreadableError";
  }
}

/** The service does not know this method: it is older than this client, or something else. */
export class UnsupportedError extends TenureError {
  static {
    this.prototype.name = "UnsupportedError";
  }
}

/** The service failed; its log has the details under the correlation id. */
export class InternalError extends TenureError {
  static {
    this.prototype.name = "InternalError";
  }
}
