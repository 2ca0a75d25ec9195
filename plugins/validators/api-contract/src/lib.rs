//! Back-end routes and client calls that agree with the contract.
