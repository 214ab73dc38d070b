/** How a server is reached and recognized. */

/** How TLS servers are checked, and how the client shows who it is. */
export interface TlsSettings {
  /** Certificates in PEM that are trusted beside the default ones. */
  readonly caCertificates?: string | undefined;
  /** Nothing but {@link caCertificates} is trusted: a server with an authority of its own. */
  readonly onlyCaCertificates?: boolean | undefined;
  /** The client certificate chain, PEM. */
  readonly clientCertificate?: string | undefined;
  /** The key of the client certificate, PEM. */
  readonly clientKey?: string | undefined;
  /** The name the server must prove, when it is not the host of the URL. */
  readonly serverName?: string | undefined;
  /** Accepts any certificate. Only ever by an explicit choice of the user. */
  readonly insecureSkipVerify?: boolean | undefined;
}

/**
 * How one server is reached when that is not how a client reaches all others: a Kubernetes cluster, say, has its own
 * authority and knows its users by certificates. Requests that are handed the same object share connections.
 */
export interface Connection {
  /** In place of the client's own settings. */
  readonly tls?: TlsSettings | undefined;
  /** The URL of an HTTP proxy, in place of what the environment says. May hold a password. */
  readonly proxy?: string | undefined;
}
