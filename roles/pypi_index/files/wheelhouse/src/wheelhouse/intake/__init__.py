"""Public packages for the company's own index: asked for by one list, checked, let in as a whole or not at all.

Rooms, lowest first; each imports only from those above it:

    targets    machines, and which wheels run there        policy   which findings block
    plan       the list, the targets and the policy, as IT wrote them
    history    what the journal says of who brought what
    view       what may be chosen: the shelf and upstream, as uv is shown them        advisories   known vulnerabilities
    service    all that over HTTP, on the loopback
    lock       what was chosen, for people to read         resolve  uv chooses
    fetch      files, into the quarantine
    checks     one look at a release each
    publish    out of the quarantine, onto the shelf
    outcome    what a run comes to                      rollback the sets of earlier runs
    part       the steps of a run; pypi takes them one way, each channel of conda/ the other
    run        one run, from the list to the shelf
    told       what a run reported, read back
    report     what happened, for people and programs      sbom     the same as CycloneDX
    command    all of that, one at a time
"""
