// SPDX-License-Identifier: Apache-2.0

// Package graph speaks Microsoft Graph cloud communications: the wire types of
// calls and their notifications, a client, Teams join links and result codes.
//
// Decoding is lenient, because the service is: member names in any case, numbers
// as strings, resource beside resourceUrl, unknown enum members. Encoding is exact:
// the right @odata.type everywhere, lower-camel names, only what is set.
//
// Join URLs, passcodes, media blobs and meeting tokens are secrets. Nothing in this
// package puts them into an error, and the types that carry them print without them.
package graph
