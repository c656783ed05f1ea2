// What tests look at in a page, in each of its frames. Every check answers with a list of complaints.
// `root` selects the results, `backdrop` is the colour behind a frame that has none of its own.
({ root, backdrop }) => {
    const roots = () => [...document.querySelectorAll(root)].filter(box => box.checkVisibility());
    const all = (selector) => roots().flatMap(box => [...box.querySelectorAll(selector)]);
    const about = (element) => `${element.tagName.toLowerCase()} ${(element.alt || element.textContent || '').trim().slice(0, 60)}`;
    const pause = (milliseconds) => new Promise(done => setTimeout(done, milliseconds));

    const canvas = Object.assign(document.createElement('canvas'), { width: 1, height: 1 });
    const brush = canvas.getContext('2d', { willReadFrequently: true });
    const seen = new Map();
    const rgba = (color) => {
        if (!seen.has(color)) {
            brush.clearRect(0, 0, 1, 1);
            brush.fillStyle = color;
            brush.fillRect(0, 0, 1, 1);
            const [r, g, b, a] = brush.getImageData(0, 0, 1, 1).data;
            seen.set(color, [r, g, b, a / 255]);
        }
        return seen.get(color);
    };
    const over = ([r, g, b, a], [x, y, z]) => [r * a + x * (1 - a), g * a + y * (1 - a), b * a + z * (1 - a), 1];
    const light = (color) => {
        const [r, g, b] = color.slice(0, 3).map(part => part / 255).map(
            part => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const contrast = (one, other) => {
        const [low, high] = [light(one), light(other)].sort((a, b) => a - b);
        return (high + 0.05) / (low + 0.05);
    };
    const ancestors = (element) => {
        const line = [];
        for (let one = element; one; one = one.parentElement) line.push(one);
        return line;
    };
    const colors = (element) => {  // text and background, with what shines through
        const line = ancestors(element).map(one => getComputedStyle(one));
        let behind = rgba(backdrop);
        for (const style of [...line].reverse()) {
            const own = rgba(style.backgroundColor);
            behind = over([own[0], own[1], own[2], own[3] * style.opacity], behind);
        }
        const text = rgba(line[0].color);
        const opacity = line.reduce((product, style) => product * style.opacity, 1);
        return [over([text[0], text[1], text[2], text[3] * opacity], behind), behind];
    };
    const clipped = (element, box) => ancestors(element.parentElement).slice(0, ancestors(element.parentElement).indexOf(box))
        .some(one => getComputedStyle(one).overflowX !== 'visible');

    return {
        count: () => roots().length,

        async pictures() {
            const images = all('img');
            for (const image of images) image.loading = 'eager';
            await Promise.race([Promise.allSettled(images.map(image => image.decode())), pause(20000)]);
            return images.filter(image => !image.complete || image.naturalWidth === 0).map(about);
        },

        async players() {
            const complaints = [];
            await Promise.all(all('video, audio').map(player => new Promise(done => {
                const answer = (problem) => {
                    if (problem) complaints.push(`${about(player.closest('figure') || player)}: ${problem}`);
                    done();
                };
                player.onloadedmetadata = () => answer(
                    Number.isFinite(player.duration) && player.duration > 0 ? '' : `lasts ${player.duration}`);
                player.onerror = () => answer(player.error?.message || 'error');
                if (!player.currentSrc && !player.src) answer('no source');
                setTimeout(() => answer('no metadata in time'), 20000);
                player.preload = 'auto';
                player.load();
            })));
            return complaints;
        },

        overflow() {
            const page = document.scrollingElement;
            const complaints = page.scrollWidth > page.clientWidth + 1
                ? [`the page: ${page.scrollWidth} in ${page.clientWidth}`] : [];
            for (const [number, box] of roots().entries()) {
                if (box.scrollWidth > box.clientWidth + 1) {
                    complaints.push(`[${number}] all of it: ${box.scrollWidth} in ${box.clientWidth}`);
                }
                const limit = box.getBoundingClientRect();
                for (const element of box.querySelectorAll('*')) {
                    const place = element.getBoundingClientRect();
                    const out = Math.max(place.right - limit.right, limit.left - place.left,
                                         place.bottom - limit.bottom, limit.top - place.top);
                    if (place.width && out > 1.5 && element.checkVisibility() && !clipped(element, box)) {
                        complaints.push(`[${number}] ${about(element)}: ${Math.round(out)} pixels out of its box`);
                    }
                }
            }
            return complaints;
        },

        contrast() {
            const complaints = new Set();
            for (const box of roots()) {
                const walker = document.createTreeWalker(box, NodeFilter.SHOW_TEXT);
                while (walker.nextNode()) {
                    const element = walker.currentNode.parentElement;
                    if (!walker.currentNode.data.trim() || element.tagName === 'STYLE' || !element.checkVisibility()) continue;
                    const [text, behind] = colors(element);
                    const ratio = contrast(text, behind);
                    if (ratio < 4.5) {
                        const where = element.className || element.tagName.toLowerCase();
                        complaints.add(`${where} ${ratio.toFixed(2)}: rgb(${text.slice(0, 3).map(Math.round)}) on ` +
                                       `rgb(${behind.slice(0, 3).map(Math.round)})`);
                    }
                }
            }
            return [...complaints];
        },

        alts: () => all('img').filter(image => !image.alt.trim()).map(image => image.outerHTML.slice(0, 80)),

        headings: () => all('h1, h2, h3, h4, h5, h6').map(heading => heading.textContent.trim()),

        ids() {
            const names = all('[id]').map(element => element.id);
            return names.filter(name => document.querySelectorAll(`[id="${CSS.escape(name)}"]`).length > 1);
        },

        links: () => roots().flatMap((box, number) => [...box.querySelectorAll('a[href]')].filter(
            link => !['http:', 'https:', 'data:', 'blob:', 'file:'].includes(link.protocol)
        ).map(link => `[${number}] ${link.href}`)),

        foreign() {  // what is not ours in our output, or ours outside of it
            const elements = 'script, iframe, object, embed, form, input, button, meta, link, base, math, svg, body, mjx-container';
            const complaints = [];
            for (const [number, box] of roots().entries()) {
                for (const element of box.querySelectorAll(elements)) complaints.push(`[${number}] ${element.tagName}`);
                for (const element of box.querySelectorAll('*')) {
                    for (const { name } of element.attributes) {
                        if (name.startsWith('on') || name === 'data-pwned') complaints.push(`[${number}] ${about(element)} has ${name}`);
                    }
                }
            }
            if (document.querySelector('[data-pwned]')) complaints.push('an element that was put in');
            for (const element of [document.documentElement, document.body]) {
                if (getComputedStyle(element).getPropertyValue('--pwned')) complaints.push('a style that was put in');
                if (!element.checkVisibility()) complaints.push('the page is gone');
            }
            if (document.querySelectorAll('base, meta[http-equiv=refresh]').length) complaints.push('the page is sent elsewhere');
            return complaints;
        },

        folds(open) {
            for (const fold of all('details')) {
                fold.dataset.was ??= fold.open;
                fold.open = open || fold.dataset.was === 'true';
            }
            return [];
        },

        text: () => roots().map(box => box.innerText).join('\n'),
    };
}
